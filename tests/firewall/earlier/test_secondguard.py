"""Tests of L{pkdoors.firewall.earlier.secondguard}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.earlier.secondguard import (
    addFlows,
    findOpenings,
    findSets,
    isOpenings,
    knows,
)
from pkdoors.firewall.netlink.messages import Element
from tests.fakes.doors import flow, makeDoor

NOTE = "door default 1eb78fd38e82341c"
"""As the second version wrote it for the ports of L{makeDoor}."""


class SecondGuardTests(SynchronousTestCase):
    """
    Tests of what is found in a table of the second version.
    """

    def test_knows(self) -> None:
        """A door is recognized by its name and its ports."""
        self.assertTrue(knows({NOTE}, makeDoor((1, 2, 3, 4, 5), openFor=7.0)))
        for door in (makeDoor(name="web"), makeDoor(ports="22-23"), makeDoor(ports="22/udp")):
            self.assertFalse(knows({NOTE}, door))

    def test_sets(self) -> None:
        """A door's own sets of openings are found, however similar others are."""
        names = ["a_open4", "a_open4_24", "a_open6", "a_open4_open4", "a_once4", "a_udp4"]
        found = [(each.name, each.length) for each in findSets(names, makeDoor(name="a"))]
        self.assertEqual([("a_open4", 32), ("a_open4_24", 24), ("a_open6", 128)], found)
        self.assertEqual([], list(findSets(names, makeDoor(name="a", once=True))))
        other = [each.name for each in findSets(names, makeDoor(name="a_open4"))]
        self.assertEqual(["a_open4_open4"], other)

    def test_isOpenings(self) -> None:
        """Sets of openings are known by their names."""
        for name in ("ssh_open4", "ssh_once6", "ssh_open4_24"):
            self.assertTrue(isOpenings(name))
        for name in ("sessions4", "open_knocks", "ssh_used4"):
            self.assertFalse(isOpenings(name))

    def test_openings(self) -> None:
        """Openings are found with what is needed to read them."""
        element = Element(b"\xcb\x00\x71\x09", 30_000, 20_000, "until=5 anna")
        sets = {"default_open4": [element], "web_open4": [element]}
        door = makeDoor()
        found = list(findOpenings({NOTE}, sets, [door], lambda name: sets[name]))
        self.assertEqual([(element, element.key, 32, door)], found)
        self.assertEqual([], list(findOpenings({}, sets, [door], lambda name: sets[name])))

    def test_flows(self) -> None:
        """UDP sessions get into the sets of their door's times."""
        key = flow(port=53, protocol="udp").key
        sets = {"default_udp4": {key: 90.0}, "default_udpmost4": {key: 900.0}}
        times = "180000ms_43200000ms"
        books: dict[str, dict[bytes, float]] = {f"udpidle4_{times}": {}, f"udpmost4_{times}": {}}
        doors = [makeDoor(ports="53/udp"), makeDoor(name="cut", cutSessions=True)]
        addFlows(books, doors, lambda name: sets.get(name, {}))
        expected = {f"udpidle4_{times}": {key: 90.0}, f"udpmost4_{times}": {key: 900.0}}
        self.assertEqual(expected, books)
