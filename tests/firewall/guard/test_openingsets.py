"""Tests of L{pkdoors.firewall.guard.openingsets}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingsets import (
    OpeningSet,
    findSets,
    isOpenings,
    networkSets,
    openingSets,
    setOf,
)
from tests.fakes.doors import makeDoor, makeOpening


class OpeningSetTests(SynchronousTestCase):
    """
    Tests of L{OpeningSet} and of what makes it.
    """

    def test_networks(self) -> None:
        """Each length has a set of its own, whose rule compares only as many bits."""
        for source, name, field in (
            ("203.0.113.9", "default_open4", "ip saddr"),
            ("2001:db8::7", "default_open6", "ip6 saddr"),
            ("203.0.113.0/24", "default_open4_24", "ip saddr & 255.255.255.0"),
            ("10.0.0.0/9", "default_open4_9", "ip saddr & 255.128.0.0"),
            ("2001:db8::/64", "default_open6_64", "ip6 saddr & ffff:ffff:ffff:ffff::"),
            ("2001:db8::/127", "default_open6_127", f"ip6 saddr & {'ffff:' * 7}fffe"),
        ):
            found = setOf(makeOpening(source))
            self.assertEqual((name, field), (found.name, found.field))
            self.assertTrue(isOpenings(found.name))
            self.assertEqual([found], list(findSets([name, "sessions4"], makeDoor())))

    def test_needed(self) -> None:
        """Openings for addresses need no more than a door always has."""
        self.assertEqual(frozenset(), networkSets([makeOpening(), makeOpening("2001:db8::7")]))
        needed = networkSets(map(makeOpening, ("10.0.0.0/9", "10.128.0.0/9", "2001:db8::/64")))
        self.assertEqual({"default_open4_9", "default_open6_64"}, {found.name for found in needed})

    def test_ofDoor(self) -> None:
        """A door has its own sets, and no other door's."""
        needed = networkSets([makeOpening("10.0.0.0/9"), makeOpening("10.0.0.0/8", name="web")])
        names = [found.name for found in openingSets(makeDoor(), needed)]
        self.assertEqual(["default_open4", "default_open4_9", "default_open6"], names)

    def test_foundNames(self) -> None:
        """Names of other sets are not taken for a door's sets, however similar they are."""
        names = [
            "a_open4",
            "a_open4_24",
            "a_open4_open4",
            "a_open4_0",
            "a_open4_33",
            "a_open4_32",
            "a_open4_024",
            "a_open5_24",
            "b_open4",
            "a_udp4",
        ]
        found = [found.name for found in findSets(names, makeDoor(name="a"))]
        self.assertEqual(["a_open4", "a_open4_24"], found)
        other = [found.name for found in findSets(names, makeDoor(name="a_open4"))]
        self.assertEqual(["a_open4_open4"], other)
        self.assertEqual("a_open4_24", OpeningSet("a", 4, 24).name)
