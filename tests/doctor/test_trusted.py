"""Tests of L{pkdoors.doctor._trusted}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._trusted import judgeTrusted
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor


class TrustedTests(SynchronousTestCase):
    """
    Tests of L{judgeTrusted}.
    """

    def look(self, trusted: str, ports: str = "22") -> list[Finding]:
        """Return what is found about a door, without the last finding, which names all."""
        door = makeDoor(ports=ports, trusted=parseTrustedList(trusted))
        *found, last = judgeTrusted(door, {"lo", "eth0", "wg0"}, {"eth0"})
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
