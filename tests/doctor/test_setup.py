"""Tests of L{pkdoors.doctor._setup}."""

import re

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doctor import _setup
from pkdoors.doctor._daemon import Daemon, judgeRunning
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from tests.fakes.doors import makeDoor
from tests.lab.pages import DOCS

FLUSHING = "#!/usr/sbin/nft -f\n\n  flush  ruleset\ntable inet filter {}\n"


class FirewallTests(SynchronousTestCase):
    """
    Tests of L{_setup.judgeFirewall}.
    """

    def look(self, name: str, runs: bool | None, zone: str = "") -> tuple[str, str]:
        """Return level, text and remedy."""
        found = _setup.judgeFirewall(Config((makeDoor(),), firewall=name, zone=zone), runs)
        return found.level, found.text + found.remedy

    def test_auto(self) -> None:
        """C{auto} means firewalld if that runs, and nftables if not."""
        self.assertEqual((OK, "firewalld (firewalld is running)"), self.look("auto", True))
        self.assertEqual((OK, "nftables (firewalld is not running)"), self.look("auto", False))
        self.assertEqual(OK, self.look("nftables", None)[0])

    def test_missing(self) -> None:
        """A firewalld that is wanted must run."""
        level, text = self.look("firewalld", False)
        self.assertEqual(ERROR, level)
        self.assertIn("`systemctl start firewalld`", text)
        self.assertEqual(OK, self.look("firewalld", True)[0])

    def test_beside(self) -> None:
        """nftables beside firewalld is a warning."""
        self.assertEqual(WARNING, self.look("nftables", True)[0])

    def test_zone(self) -> None:
        """A zone without firewalld is an error, as it is for the daemon."""
        self.assertEqual(ERROR, self.look("auto", False, zone="home")[0])
        self.assertEqual(OK, self.look("auto", True, zone="home")[0])

    def test_dryRun(self) -> None:
        """A dry run closes nothing."""
        self.assertEqual(WARNING, self.look("dry-run", False)[0])


class HostingTests(SynchronousTestCase):
    """
    Tests of all other judges.
    """

    def test_privilege(self) -> None:
        """Missing privilege is an error."""
        self.assertEqual(OK, _setup.judgePrivilege(True).level)
        self.assertEqual(ERROR, _setup.judgePrivilege(False).level)

    def test_daemon(self) -> None:
        """A daemon that does not run is a warning."""
        self.assertEqual((OK, "it is running (process 7)"), _brief(judgeRunning(Daemon(7))))
        self.assertEqual(WARNING, judgeRunning(Daemon()).level)

    def test_unreadable(self) -> None:
        """A file that the service cannot read is an error, with a remedy."""
        found = _setup.reportUnreadable("keys", "/etc/keys")
        self.assertEqual((ERROR, "keys"), (found.level, found.subject))
        self.assertIn("cannot read /etc/keys", found.text)
        self.assertIn("`pkdoors install-service`", found.remedy)

    def test_strong(self) -> None:
        """The strength of a good sequence is reported, and no port."""
        (found,) = _setup.judgeSequence(makeDoor((10, 60, 20, 50, 30, 40, 5, 9)))
        text = "door default: an attacker who has found its 8 ports needs 5040 tries"
        self.assertEqual((OK, text), _brief(found))

    def test_example(self) -> None:
        """A long sequence from the manual's pages is no secret."""
        pages = "".join(page.read_text() for page in DOCS.rglob("*.md"))
        found = set(re.findall(r"sequence = \[((?:\d{5}, ){7}\d{5})\]", pages))
        self.assertGreater(len(found), 1)
        for ports in found:
            (finding,) = _setup.judgeSequence(makeDoor(tuple(map(int, ports.split(", ")))))
            self.assertEqual(WARNING, finding.level)
            self.assertIn("is an example from the manual", finding.text)

    def test_weak(self) -> None:
        """Each weakness is a warning, with the name of the door."""
        found = list(_setup.judgeSequence(makeDoor((1, 2, 3, 4, 5), name="web")))
        self.assertTrue(
            all(finding.text.startswith("door web: the sequence ") for finding in found)
        )
        self.assertEqual([WARNING, WARNING], [finding.level for finding in found])
        self.assertIn("ascending", found[0].text)
        self.assertIn("in only 24 tries", found[1].text)
        self.assertIn("`pkdoors sequence`", found[1].remedy)

    def test_flushing(self) -> None:
        """A service that flushes is a warning if it is on and no daemon puts the guard back."""
        files = [("/etc/nftables.conf", FLUSHING)]
        (found,) = _setup.judgeNftablesService(files, True, isRunning=False)
        self.assertEqual(WARNING, found.level)
        self.assertIn("/etc/nftables.conf", found.text)
        self.assertEqual([], list(_setup.judgeNftablesService(files, False, isRunning=False)))
        (found,) = _setup.judgeNftablesService(files, True, isRunning=True)
        self.assertEqual(INFO, found.level)
        self.assertIn("the daemon puts it back", found.text)
        (found,) = _setup.judgeNftablesService(files, True, isRunning=True, isOwned=True)
        self.assertEqual(INFO, found.level)
        self.assertIn("does not touch the guard while the daemon runs", found.text)

    def test_notFlushing(self) -> None:
        """Other commands are no fault, nor is a comment."""
        for content in ("table inet filter {}", "# flush ruleset\n", "flush table inet filter\n"):
            files = [("/etc/nftables.conf", content)]
            self.assertEqual([], list(_setup.judgeNftablesService(files, True, isRunning=False)))

    def test_ipv6(self) -> None:
        """IPv6 that is off is a warning."""
        self.assertEqual(OK, _setup.judgeIPv6(True).level)
        self.assertIn("`sysctl -w net.ipv6", _setup.judgeIPv6(False).remedy)

    def test_tracking(self) -> None:
        """Connection tracking that is nearly full is a warning."""
        self.assertEqual((OK, "899 of 1000 connections"), _brief(_setup.judgeTracking(899, 1000)))
        found = _setup.judgeTracking(900, 1000)
        self.assertEqual(WARNING, found.level)
        self.assertIn("nf_conntrack_max=2000", found.remedy)

    def test_legacy(self) -> None:
        """Rules that cannot be judged are a warning, and so are forwards that cannot be seen."""
        for table, words in (("filter", "cannot judge"), ("nat", "may forward ports")):
            command = f"iptables-legacy -t {table} -S"
            (found,) = _setup.judgeLegacy([(table, command)])
            self.assertEqual(WARNING, found.level)
            self.assertIn(words, found.text)
            self.assertIn(f"`{command}`", found.remedy)


def _brief(finding: Finding) -> tuple[str, str]:
    return finding.level, finding.text
