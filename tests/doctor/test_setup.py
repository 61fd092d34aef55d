"""Tests of L{pkdoors.doctor._setup}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doctor import _setup
from pkdoors.doctor._daemon import Daemon, judgeRunning
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor

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
        """A service that flushes is a warning if it is on."""
        files = [("/etc/nftables.conf", FLUSHING)]
        (found,) = _setup.judgeNftablesService(files, True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("/etc/nftables.conf", found.text)
        self.assertEqual([], list(_setup.judgeNftablesService(files, False)))
        (found,) = _setup.judgeNftablesService(files, True, isOwned=True)
        self.assertEqual(INFO, found.level)
        self.assertIn("does not touch the guard while the daemon runs", found.text)

    def test_notFlushing(self) -> None:
        """Other commands are no fault, nor is a comment."""
        for content in ("table inet filter {}", "# flush ruleset\n", "flush table inet filter\n"):
            self.assertEqual(
                [], list(_setup.judgeNftablesService([("/etc/nftables.conf", content)], True))
            )

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


class TrustedTests(SynchronousTestCase):
    """
    Tests of L{_setup.judgeTrusted}.
    """

    def look(self, trusted: str, ports: str = "22") -> list[Finding]:
        """Return what is found about a door, without the last finding, which names all."""
        door = makeDoor(ports=ports, trusted=parseTrustedList(trusted))
        *found, last = _setup.judgeTrusted(door, {"lo", "eth0", "wg0"}, {"eth0"})
        self.assertEqual(OK, last.level)
        for name in trusted.split(","):
            self.assertIn(name, last.text)
        self.assertTrue(all(finding.remedy for finding in found))
        return found

    def assertFinds(self, trusted: str, level: str, part: str, ports: str = "22") -> None:
        """Check that there is one finding."""
        (finding,) = self.look(trusted, ports)
        self.assertEqual((level, "trusted"), (finding.level, finding.subject))
        self.assertIn(part, finding.text)

    def test_well(self) -> None:
        """Private and small public networks, and interfaces that exist, are well."""
        for text in ("192.168.1.0/24,10.0.0.0/8,fd00::/8,wg0", "203.0.113.0/24", "2001:db8::/32"):
            self.assertEqual([], self.look(text))
        self.assertEqual([], self.look("10.0.0.0/8", "53/udp"))

    def test_halfTheInternet(self) -> None:
        """Two halves are the whole: that is an error; a large network is a warning."""
        for text in ("0.0.0.0/1,128.0.0.0/1", "2000::/4", "64.0.0.0/2,128.0.0.0/2"):
            self.assertIn(ERROR, [finding.level for finding in self.look(text)])
        self.assertFinds("8.0.0.0/8", WARNING, "large part of the Internet")
        self.assertFinds("2600::/11", WARNING, "large part of the Internet")

    def test_interfaces(self) -> None:
        """A missing interface is a hint, since it may appear; one to the Internet is a warning."""
        self.assertFinds("wg7", INFO, "there is no interface wg7 now")
        self.assertFinds("eth0", WARNING, "default route")

    def test_thisHost(self) -> None:
        """This host itself is never kept out."""
        for text in ("lo", "127.0.0.0/8", "::1"):
            self.assertFinds(text, INFO, "need not be trusted")

    def test_linkLocal(self) -> None:
        """A link-local network is on every interface."""
        self.assertFinds("fe80::/10", WARNING, "on every interface")
        self.assertFinds("fe80::/64", WARNING, "on every interface")

    def test_forged(self) -> None:
        """Public addresses can be forged, and one datagram is enough for UDP."""
        self.assertFinds("8.8.8.0/24", INFO, "forge", "53/udp")
        self.assertEqual([], self.look("8.8.8.0/24"))
