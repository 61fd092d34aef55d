"""Tests of L{pkdoors.firewall.guard.survey}."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.sets import FORMAT, MAPS, originNote, setsFor
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.netlink.dump import Table
from tests.fakes.doors import makeDoor

BOOT = "a-boot"
VPN = makeDoor(ports="53/udp", udpIdle=100.0)


def surveyed(boot: str = BOOT, handle: int = 7, made: int = 7) -> Survey:
    """Return a guard of the VPN's door, made in a boot, with a handle."""
    return Survey(
        Table(handle=handle),
        chains=frozenset(("input",)),
        sets=frozenset((*setsFor([VPN]), *MAPS)),
        counters=frozenset(("KnocksDropped",)),
        ports={"tcp": (), "udp": ((53, 53),)},
        notes=frozenset((FORMAT, originNote(f"{boot} {made}"))),
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
        self.assertFalse(replace(surveyed(), notes=frozenset(("pkdoors guard 2",))).isOurs)

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
        """In the same boot all elements are valid."""
        found = surveyed().present(Guard((VPN,)), BOOT, {"knocks": {}})
        self.assertEqual(set(), found.stale)
        self.assertEqual({"input"}, found.chains)
        self.assertEqual({"KnocksDropped"}, found.counters)
        self.assertEqual({*setsFor([VPN]), *MAPS}, found.sets)
        self.assertEqual({"knocks": {}}, found.elements)

    def test_otherBoot(self) -> None:
        """
        After another boot, or in another table, neither openings nor flows are valid. What the
        configuration alone determines is not touched: ports must not go.
        """
        for survey in (surveyed(boot="another"), surveyed(handle=8)):
            stale = survey.present(Guard((VPN,)), BOOT, {}).stale
            for name in ("openings4", "sessions6", "spared4", "sparedudp4"):
                self.assertIn(name, stale)
            self.assertEqual(4, sum("udp_open" in name or "udpidle" in name for name in stale))
            for name in ("tcp_ports", "udp_ranges", "knocks", "about", "inside4", *MAPS):
                self.assertNotIn(name, stale)

    def test_newDoor(self) -> None:
        """A set that is missing cannot be emptied."""
        web = makeDoor(ports="80", name="web")
        found = surveyed(boot="another").present(Guard((VPN, web)), BOOT, {})
        self.assertNotIn("tcp_open4", found.stale)
