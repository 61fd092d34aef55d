"""Tests of L{pkdoors.firewall.firewalld._placement}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld._placement import (
    Placed,
    Placements,
    findPlacement,
    possiblePlacements,
    staleRules,
)
from pkdoors.firewall.firewalld.richrules import knockRule
from tests.fakes.doors import makeOpening

STRANGERS = 'rule priority="-1" family="ipv4" source address="198.51.100.66" drop'


def rule(priority: int, port: int = 22, source: str = "203.0.113.9") -> str:
    """Return the rule of an opening."""
    return (
        f'rule priority="{priority}" family="ipv4" source address="{source}" '
        f'port port="{port}" protocol="tcp" accept'
    )


def placed(priority: int = 31338, zone: str = "public", deadline: float = 30.0) -> Placed:
    """Return the place of an opening of two ports."""
    return Placed((zone,), (rule(priority, 22), rule(priority, 80)), deadline)


OPENING = makeOpening(ports="22,80", deadline=60.0)


class PlacingsTests(SynchronousTestCase):
    """
    Tests of L{possiblePlacements} and L{Placed}.
    """

    def test_placings(self) -> None:
        """An opening can have one priority or the other, with a rule for each range."""
        self.assertEqual(
            [placed(31338, deadline=60.0), placed(31339, deadline=60.0)],
            list(possiblePlacements(OPENING, ("public",), (31338, 31339))),
        )

    def test_isIn(self) -> None:
        """It is there if all its rules are in its zone, whatever else is there."""
        rules = [STRANGERS, rule(31338, 80), rule(31338, 22), rule(31339, 22)]
        self.assertTrue(placed().isIn({"public": rules, "internal": []}))
        self.assertFalse(placed(31339).isIn({"public": rules}))
        self.assertFalse(placed().isIn({"internal": rules, "public": [STRANGERS]}))
        self.assertFalse(placed().isIn({"internal": rules}))


class FoundTests(SynchronousTestCase):
    """
    Tests of L{findPlacement}.
    """

    def found(self, before: Placed | None, **present: list[str]) -> Placed | None:
        """Return the place that is found in the zone C{public}."""
        return findPlacement(OPENING, ("public",), (31338, 31339), before, present)

    def test_asWePutIt(self) -> None:
        """An opening that we placed is found with the deadline that we gave it."""
        for priority in (31338, 31339):
            before = placed(priority)
            self.assertIs(before, self.found(before, public=[STRANGERS, *before.rules]))

    def test_firstOurs(self) -> None:
        """If both priorities are there, ours is found."""
        before = placed(31339)
        everything = [*placed(31338).rules, *before.rules]
        self.assertIs(before, self.found(before, public=everything))

    def test_earlierDaemon(self) -> None:
        """If we did not place it, the deadline is unknown."""
        for priority in (31338, 31339):
            there = placed(priority, deadline=0.0)
            self.assertEqual(there, self.found(None, public=[STRANGERS, *there.rules]))

    def test_notThere(self) -> None:
        """If any of its rules is missing, it is not found."""
        for rules in ([], [STRANGERS], [rule(31338, 22)], [rule(31338, 22), rule(31339, 80)]):
            for before in (None, placed(), placed(31339)):
                self.assertIsNone(self.found(before, public=rules), rules)

    def test_otherZone(self) -> None:
        """A place in a zone that the client is not in any more does not count."""
        before = placed(zone="internal")
        self.assertIsNone(self.found(before, internal=list(before.rules), public=[]))
        self.assertIsNone(self.found(None, internal=list(before.rules)))

    def test_otherSource(self) -> None:
        """Rules of another source do not count."""
        rules = [rule(31338, port, "203.0.113.10") for port in (22, 80)]
        self.assertIsNone(self.found(None, public=rules))


class PlacementsTests(SynchronousTestCase):
    """
    Tests of L{Placements}.
    """

    ann = ("ssh", makeOpening().source)
    bob = ("web", makeOpening().source)

    def setUp(self) -> None:
        """Have none."""
        self.placements = Placements()

    def test_put(self) -> None:
        """A place replaces the one before, with its rules."""
        self.placements.put(self.ann, placed(31338))
        self.placements.put(self.ann, placed(31339, deadline=60.0))
        self.assertEqual(placed(31339, deadline=60.0), self.placements.get(self.ann))
        self.assertEqual(set(placed(31339).pairs()), set(self.placements.pairs()))
        self.assertEqual(60.0, self.placements.deadlineOf(("public", rule(31339))))
        self.assertEqual(0.0, self.placements.deadlineOf(("public", rule(31338))))

    def test_drop(self) -> None:
        """Nothing is left of a place that is dropped; to drop it again is no error."""
        self.placements.put(self.ann, placed())
        for _ in range(2):
            self.placements.drop(self.ann)
        self.assertIsNone(self.placements.get(self.ann))
        self.assertEqual([], list(self.placements.pairs()))

    def test_shared(self) -> None:
        """Of two openings with one rule, the rule must exist as long as either."""
        pair = ("public", rule(31338))
        self.placements.put(self.ann, placed(deadline=30.0))
        self.assertFalse(self.placements.isNeededByOthers(pair, self.ann))
        self.placements.put(self.bob, placed(deadline=60.0))
        self.assertTrue(self.placements.isNeededByOthers(pair, self.ann))
        self.assertEqual(60.0, self.placements.deadlineOf(pair))
        self.placements.drop(self.bob)
        self.assertEqual(30.0, self.placements.deadlineOf(pair))


class OutdatedTests(SynchronousTestCase):
    """
    Tests of L{staleRules}.
    """

    def test_outdated(self) -> None:
        """Rules of openings that belong to no placed opening are stale, in each zone."""
        present = {
            "public": [*placed().rules, rule(31339, 22), rule(31338, 22, "203.0.113.10")],
            "internal": [rule(31338, 22)],
        }
        self.assertEqual(
            [
                ("public", rule(31339, 22)),
                ("public", rule(31338, 22, "203.0.113.10")),
                ("internal", rule(31338, 22)),
            ],
            staleRules(present, placed().pairs()),
        )

    def test_others(self) -> None:
        """Rules that let knocks in, and those of others, are not."""
        others = [STRANGERS, knockRule(17001), 'rule service name="ssh" accept']
        self.assertEqual([], staleRules({"public": others}, []))

    def test_nothing(self) -> None:
        """If all openings are placed, no rule is stale."""
        zones = ("public", "internal")
        present = {zone: list(placed(zone=zone).rules) for zone in zones}
        needed = [pair for zone in zones for pair in placed(zone=zone).pairs()]
        self.assertEqual([], staleRules(present, needed))
