"""Tests of L{pkdoors.doctor._setup}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doctor import _setup as hosting
from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from tests.fakes.doors import makeDoor

FLUSHING = "#!/usr/sbin/nft -f\n\n  flush  ruleset\ntable inet filter {}\n"


class FirewallTests(SynchronousTestCase):
    """
    Tests of L{hosting.firewall}.
    """

    def look(self, name: str, runs: bool | None, zone: str = "") -> tuple[str, str]:
        """How it is judged, and what is said."""
        found = hosting.firewall(Config((makeDoor(),), firewall=name, zone=zone), runs)
        return found.level, found.text + found.remedy

    def test_auto(self) -> None:
        """C{auto} is firewalld where it runs, else nftables."""
        self.assertEqual((OK, "firewalld (firewalld runs)"), self.look("auto", True))
        self.assertEqual((OK, "nftables (firewalld does not run)"), self.look("auto", False))
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
    All else.
    """

    def test_privilege(self) -> None:
        """Without privilege there is little to see."""
        self.assertEqual(OK, hosting.privilege(True).level)
        self.assertEqual(ERROR, hosting.privilege(False).level)

    def test_daemon(self) -> None:
        """A daemon that does not run is a warning."""
        self.assertEqual((OK, "it runs (process 7)"), _brief(hosting.running(Daemon(7))))
        self.assertEqual(WARNING, hosting.running(Daemon()).level)

    def test_unreadable(self) -> None:
        """A file that the service cannot read is an error, with what mends it."""
        found = hosting.unreadable("keys", "/etc/keys")
        self.assertEqual((ERROR, "keys"), (found.level, found.subject))
        self.assertIn("/etc/keys cannot be read", found.text)
        self.assertIn("`pkdoors install-service`", found.remedy)

    def test_strong(self) -> None:
        """A good sequence has its strength told, and no port."""
        (found,) = hosting.strength(makeDoor((10, 60, 20, 50, 30, 40, 5, 9)))
        text = "door default: 5040 tries for whoever has found its 8 ports"
        self.assertEqual((OK, text), _brief(found))

    def test_weak(self) -> None:
        """Each weakness is a warning, with the door's name."""
        found = list(hosting.strength(makeDoor((1, 2, 3, 4, 5), name="web")))
        self.assertTrue(all(each.text.startswith("door web: the sequence ") for each in found))
        self.assertEqual([WARNING, WARNING], [each.level for each in found])
        self.assertIn("ascending", found[0].text)
        self.assertIn("in only 24 tries", found[1].text)
        self.assertIn("`pkdoors sequence`", found[1].remedy)

    def test_flushing(self) -> None:
        """A service that flushes is a warning where it is on."""
        files = [("/etc/nftables.conf", FLUSHING)]
        (found,) = hosting.flushing(files, True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("/etc/nftables.conf", found.text)
        self.assertEqual([], list(hosting.flushing(files, False)))
        (found,) = hosting.flushing(files, True, isOwned=True)
        self.assertEqual(INFO, found.level)
        self.assertIn("does not touch the guard while the daemon runs", found.text)

    def test_notFlushing(self) -> None:
        """One that does not is none, nor is a comment."""
        for content in ("table inet filter {}", "# flush ruleset\n", "flush table inet filter\n"):
            self.assertEqual([], list(hosting.flushing([("/etc/nftables.conf", content)], True)))

    def test_ipv6(self) -> None:
        """IPv6 that is off is a warning."""
        self.assertEqual(OK, hosting.ipv6(True).level)
        self.assertIn("`sysctl -w net.ipv6", hosting.ipv6(False).remedy)

    def test_tracking(self) -> None:
        """So is connection tracking that is nearly full."""
        self.assertEqual((OK, "899 of 1000 connections"), _brief(hosting.tracking(899, 1000)))
        found = hosting.tracking(900, 1000)
        self.assertEqual(WARNING, found.level)
        self.assertIn("nf_conntrack_max=2000", found.remedy)

    def test_legacy(self) -> None:
        """So are rules that cannot be judged, and forwards that cannot be seen."""
        for table, words in (("filter", "cannot judge"), ("nat", "may forward ports")):
            command = f"iptables-legacy -t {table} -S"
            (found,) = hosting.legacy([(table, command)])
            self.assertEqual(WARNING, found.level)
            self.assertIn(words, found.text)
            self.assertIn(f"`{command}`", found.remedy)


def _brief(finding: Finding) -> tuple[str, str]:
    return finding.level, finding.text
