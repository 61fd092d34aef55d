"""Tests of L{pkdoors.firewall.guard.survey}."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.sets import FORMAT, MAPS, aboutDoor, originNote, setsFor, setsOf
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.netlink.dump import Table
from tests.fakes.doors import makeDoor

BOOT = "a-boot"
VPN = makeDoor(ports="53/udp", udpIdle=100.0)


def surveyed(boot: str = BOOT, handle: int = 7, made: int = 7) -> Survey:
    """Return a guard of the VPN's door, made in a boot, with a handle."""
    sets = {name: round(1000 * definition.timeout) for name, definition in setsFor([VPN]).items()}
    return Survey(
        Table(handle=handle),
        chains=frozenset(("input",)),
        sets={**sets, **dict.fromkeys(MAPS, 0)},
        counters={"KnocksDropped": 5},
        ports={"tcp": (), "udp": ((53, 53),)},
        verdicts={"tcp": {}, "udp": {(53, 53): "default_udp"}},
        notes=frozenset((FORMAT, originNote(f"{boot} {made}"), aboutDoor(VPN))),
    )


class SurveyTests(SynchronousTestCase):
    """
    Tests of L{Survey}.
    """

    def test_nothing(self) -> None:
        """Without a table, nothing is ours."""
        self.assertFalse(Survey().isOurs or Survey().isOf(BOOT))
        self.assertEqual("a-boot 0", Survey().origin(BOOT))

    def test_isOurs(self) -> None:
        """A guard is ours if it says so."""
        self.assertTrue(surveyed().isOurs)
        self.assertFalse(replace(surveyed(), notes=frozenset(("pkdoors guard 3",))).isOurs)

    def test_isOf(self) -> None:
        """A guard is of this boot and of this very table if it says so."""
        self.assertTrue(surveyed().isOf(BOOT))
        self.assertFalse(surveyed().isOf("another"))
        self.assertFalse(surveyed(handle=8).isOf(BOOT))

    def test_origin(self) -> None:
        """The notes of a new guard are read in the same way."""
        note = originNote(surveyed(handle=8).origin(BOOT))
        self.assertTrue(replace(surveyed(handle=8), notes=frozenset((note,))).isOf(BOOT))

    def test_same(self) -> None:
        """For the same doors no set must be made again."""
        found = surveyed().present(Guard((VPN,)), BOOT)
        self.assertEqual(set(), found.stale)
        self.assertEqual({"input"}, found.chains)
        self.assertEqual({"KnocksDropped"}, found.counters)
        self.assertEqual({*setsFor([VPN]), *MAPS}, found.sets)
        self.assertEqual({"tcp": (), "udp": ((53, 53),)}, found.ports)
        self.assertEqual({"tcp": {}, "udp": {(53, 53): "default_udp"}}, found.verdicts)

    def test_otherBoot(self) -> None:
        """
        After another boot, or in another table, all sets must be made again, except those of ports,
        which must not go.
        """
        expected = set(setsFor([VPN])) - {"tcp_ports", "udp_ports"}
        for survey in (surveyed(boot="another"), surveyed(handle=8)):
            self.assertEqual(expected, survey.present(Guard((VPN,)), BOOT).stale)

    def test_otherPorts(self) -> None:
        """The sets of a door that had other ports must be made again, and no other's."""
        other = makeDoor(ports="53-54/udp", udpIdle=100.0)
        self.assertEqual(set(setsOf(other)), surveyed().present(Guard((other,)), BOOT).stale)

    def test_newDoor(self) -> None:
        """A missing set cannot be made again."""
        web = makeDoor(ports="80", name="web")
        self.assertEqual(set(), surveyed().present(Guard((VPN, web)), BOOT).stale)

    def test_retimed(self) -> None:
        """Sets whose timeout changes must be made again."""
        other = makeDoor(ports="53/udp", udpIdle=50.0)
        expected = {f"default_{name}{v}" for name in ("udp", "udpnew") for v in (4, 6)}
        self.assertEqual(expected, surveyed().setsToRetime([other]))
        self.assertEqual(expected, surveyed().present(Guard((other,)), BOOT).stale)
