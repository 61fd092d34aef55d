"""Tests of L{pkdoors.doctor.zoning}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.findings import ERROR
from pkdoors.doctor.running import Daemon
from pkdoors.doctor.zoning import Zone, besideZones, exposed, knocksLetIn
from pkdoors.ports import PortRange
from pkdoors.richrules import knockRule
from pkdoors.zones import Exposure

SSH = PortRange("tcp", 22, 22)
KNOCKS = (17003, 17001)


def opening(*ports: PortRange | None) -> tuple[Exposure, ...]:
    """What opens some ports to all."""
    return tuple(Exposure(each, "a port", "`this`") for each in ports)


KNOCKED = Zone("home", "default", rules=tuple(map(knockRule, KNOCKS)))
SHUT = Zone("public", "default")


class ZoningTests(SynchronousTestCase):
    """
    What zones do with ports.
    """

    def test_exposed(self) -> None:
        """Each thing that opens a port is told, with the zone; what opens others is not."""
        zones = [Zone("a", "default", opening(SSH, PortRange("udp", 22, 22))), SHUT]
        (found,) = exposed(SSH, zones)
        self.assertIn("zone a (a port)", found.text)
        self.assertIn("between boot and the start of the daemon", found.text)
        self.assertEqual("`this`, unless you trust all of that zone", found.remedy)

    def test_knocksLetIn(self) -> None:
        """While the daemon runs its rules must be there, or the zone let knocks in anyway."""
        self.assertEqual([], list(knocksLetIn(KNOCKS, [KNOCKED], Daemon(77))))
        self.assertEqual(
            [], list(knocksLetIn(KNOCKS, [Zone("t", "ACCEPT", opening(None))], Daemon(77)))
        )
        self.assertEqual([], list(knocksLetIn(KNOCKS, [SHUT], Daemon())))

    def test_knocksShutOut(self) -> None:
        """Where they are not, each port is told, not in the order of the sequence."""
        found = list(knocksLetIn(KNOCKS, [KNOCKED, SHUT], Daemon(77)))
        self.assertEqual(["17001/udp", "17003/udp"], [each.subject for each in found])
        self.assertEqual({ERROR}, {each.level for each in found})
        self.assertIn("zone public", found[0].text)

    def test_beside(self) -> None:
        """A daemon on nftables needs zones that let all in: each port has its command."""
        found = list(besideZones(KNOCKS, [SSH], [SHUT]))
        self.assertEqual(["17001/udp", "17003/udp", "22/tcp"], [each.subject for each in found])
        for each in found:
            command = f"`firewall-cmd --zone=public --add-port={each.subject}`"
            self.assertTrue(each.remedy.startswith(command), each.remedy)

    def test_besideOpen(self) -> None:
        """Where they do there is nothing to tell."""
        ports = opening(SSH, *(PortRange("udp", each, each) for each in KNOCKS))
        self.assertEqual([], list(besideZones(KNOCKS, [SSH], [Zone("a", "default", ports)])))
        (found,) = besideZones(KNOCKS, [SSH], [KNOCKED])
        self.assertEqual("22/tcp", found.subject)
