"""Tests of L{pkdoors.firewall.openings.table}."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingkeys import lookupKeys, openingKey
from pkdoors.firewall.openings.table import OpeningTable
from tests.fakes.doors import makeOpening

SSH, WEB = makeOpening(), makeOpening(name="web", deadline=60.0)
EVE = makeOpening("203.0.113.66")


class OpeningTableTests(SynchronousTestCase):
    """
    Tests of L{OpeningTable}.
    """

    def test_others(self) -> None:
        """Other doors' openings for the same source are found."""
        table = OpeningTable([SSH, WEB, EVE])
        self.assertEqual(([WEB], [SSH], []), tuple(map(table.others, (SSH, WEB, EVE))))
        table.remove(WEB)
        self.assertEqual([], table.others(SSH))
        table.remove(WEB)
        self.assertEqual([SSH, EVE], list(table))

    def test_again(self) -> None:
        """An opening replaces an earlier one of its door for the same source."""
        later = replace(SSH, deadline=90.0)
        table = OpeningTable([SSH, later])
        self.assertEqual([later], list(table))

    def test_has(self) -> None:
        """An opening is there if its request was granted."""
        table = OpeningTable([SSH])
        self.assertTrue(table.has(replace(SSH, deadline=90.0)))
        self.assertFalse(table.has(replace(SSH, grant=7)) or table.has(EVE))

    def test_keys(self) -> None:
        """Their keys are those in the kernel; those that end soon can be left out."""
        table = OpeningTable([SSH, WEB])
        expected = {openingKey(SSH), openingKey(WEB), *lookupKeys(SSH)}
        self.assertEqual(expected, table.keys())
        self.assertEqual({openingKey(WEB), *lookupKeys(WEB)}, table.keys(30.0))

    def test_compare(self) -> None:
        """What must go, and what is missing or differs, is found; nothing else."""
        table = OpeningTable([SSH, WEB])
        self.assertEqual(([], []), table.compare([SSH, WEB]))
        self.assertEqual(([SSH, WEB], []), table.compare([]))
        longer = replace(WEB, deadline=90.0)
        self.assertEqual(([SSH], [longer, EVE]), table.compare([longer, EVE]))
