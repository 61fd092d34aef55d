"""Tests of L{pkdoors.firewall.guard.portgroups}."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.portgroups import PortGroup, portGroups
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

NUMBERS = (*range(1, 13), *range(65530, 65536))


def ranges() -> st.SearchStrategy[PortRange]:
    """Ranges that touch, overlap, and reach the last port."""
    ends = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)).map(sorted)
    found = st.builds(
        lambda protocol, ends: PortRange(protocol, *ends), st.sampled_from(("tcp", "udp")), ends
    )
    # A door must not protect its own knock ports.
    return found.filter(lambda range_: range_.protocol == "tcp" or range_.last - range_.first < 100)


def doorsOf(ports: list[list[PortRange]]) -> list[Door]:
    """Return a door for each list of ports, unchanged: a list may name a port twice."""
    sequence = makeDoor().sequence
    return [Door(f"d{n}", sequence, tuple(ranges)) for n, ranges in enumerate(ports)]


class PortGroupsTests(SynchronousTestCase):
    """
    Tests of L{portGroups}.
    """

    def groups(self, *ports: str, protocol: str = "tcp") -> dict[str, str]:
        """Return the name and the ports of each group, of doors a, b and so on."""
        doors = [
            makeDoor(ports=ranges, name=name) for name, ranges in zip("abcd", ports, strict=False)
        ]
        return {
            group.name: ",".join(ports.span for ports in group.ports)
            for group in portGroups(doors, protocol)
        }

    def test_apart(self) -> None:
        """Doors that share nothing are groups of their own, with the doors' names."""
        self.assertEqual({"a": "22", "b": "80,443"}, self.groups("22", "80,443"))

    def test_shared(self) -> None:
        """Ports of several doors are one group, with a name that no door can have."""
        self.assertEqual({"a": "22", "Doors1": "80", "b": "81-90"}, self.groups("22,80", "80-90"))
        self.assertEqual(
            {"a": "1-4,11-20", "Doors1": "5-6,9-10", "Doors2": "7-8"},
            self.groups("1-20", "5-10", "7-8"),
        )

    def test_protocols(self) -> None:
        """The same number of another protocol is another port."""
        self.assertEqual({"a": "53"}, self.groups("53", "53/udp"))
        self.assertEqual({"b": "53"}, self.groups("53", "53/udp", protocol="udp"))

    def test_adjacent(self) -> None:
        """Adjacent ports of different doors stay apart."""
        self.assertEqual({"a": "1-2", "b": "3-4"}, self.groups("1-2", "3-4"))

    def test_none(self) -> None:
        """Without doors, or without ports of the protocol, there is no group."""
        self.assertEqual({}, self.groups())
        self.assertEqual({}, self.groups("22", protocol="udp"))

    def test_model(self) -> None:
        """
        For every port, the group has exactly the doors that protect it, and no port is in two
        groups.
        """

        @PROPERTY
        @given(
            st.lists(st.lists(ranges(), max_size=4), max_size=4),
            st.sampled_from(("tcp", "udp")),
        )
        def check(ports: list[list[PortRange]], protocol: str) -> None:
            doors = doorsOf(ports)
            groups = portGroups(doors, protocol)
            for number in NUMBERS:
                wanted = PortRange(protocol, number, number)
                expected = tuple(door for door in doors if any(map(wanted.overlaps, door.ports)))
                found = [
                    group.doors for group in groups for span in group.ports if wanted.overlaps(span)
                ]
                self.assertEqual([expected] if expected else [], found)
            self.checkShape(groups)

        check()

    def checkShape(self, groups: list[PortGroup]) -> None:
        """Names and sets of doors are distinct, and ranges are in order."""
        self.assertEqual(len(groups), len({group.name for group in groups}))
        self.assertEqual(len(groups), len({group.doors for group in groups}))
        for group in groups:
            self.assertEqual(sorted(group.ports), list(group.ports))
            self.assertTrue(all(1 <= span.first <= span.last <= 65535 for span in group.ports))
