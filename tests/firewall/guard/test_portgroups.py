"""Tests of L{pkdoors.firewall.guard.portgroups}."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.openingsets import Access, accessesOf
from pkdoors.firewall.guard.portgroups import closedPorts, overlay, portGroups
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

NUMBERS = (*range(1, 20), *range(65520, 65536))


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
    return [
        Door(f"d{n}", sequence, tuple(ranges), udpIdle=100.0 * (n % 2 + 1))
        for n, ranges in enumerate(ports)
    ]


class PortGroupsTests(SynchronousTestCase):
    """
    Tests of L{portGroups} and L{closedPorts}.
    """

    def spans(self, *ports: str, protocol: str = "tcp") -> list[list[tuple[int, int]]]:
        """Return the ports of each group, of doors a, b and so on."""
        doors = [
            makeDoor(ports=ranges, name=name) for name, ranges in zip("abcd", ports, strict=False)
        ]
        return list(portGroups(doors, protocol).values())

    def test_alike(self) -> None:
        """Doors that share nothing are one group, because their packets are looked up alike."""
        self.assertEqual([[(22, 22), (80, 80), (443, 443)]], self.spans("22", "80,443"))

    def test_thousand(self) -> None:
        """So are a thousand doors with a port each, and a thousand doors with the same port."""
        apart = portGroups([makeDoor(ports=str(n), name=f"d{n}") for n in range(1, 1001)], "tcp")
        shared = portGroups([makeDoor(name=f"d{n}") for n in range(1, 1001)], "tcp")
        (group,) = portGroups([makeDoor()], "tcp")
        self.assertEqual([group], list(apart))
        self.assertEqual({group: [(22, 22)]}, shared)

    def test_kinds(self) -> None:
        """Ports whose packets are looked up otherwise are other groups."""
        for fields in (
            {"cutSessions": True},
            {"once": True},
            {"trusted": parseTrustedList("wg0")},
            {"trusted": parseTrustedList("10.0.0.0/8")},
        ):
            other = makeDoor(ports="80", name="other", **fields)
            self.assertEqual(2, len(portGroups([makeDoor(), other], "tcp")), fields)
        slow = makeDoor(ports="54/udp", name="slow", udpIdle=7.0)
        self.assertEqual(2, len(portGroups([makeDoor(ports="53/udp"), slow], "udp")))

    def test_ranges(self) -> None:
        """A range is a group for each size of its blocks; adjacent blocks of a size are merged."""
        self.assertEqual([[(2, 2), (3, 3)], [(4, 11)]], self.spans("2-11"))
        self.assertEqual([[(16, 31)]], self.spans("16-31"))

    def test_singles(self) -> None:
        """Adjacent single ports stay apart, so a change of one leaves the other alone."""
        self.assertEqual([[(1, 1), (2, 2)]], self.spans("1", "2"))

    def test_protocols(self) -> None:
        """The same number of another protocol is another port."""
        self.assertEqual([[(53, 53)]], self.spans("53", "53/udp"))
        self.assertEqual([[(53, 53)]], self.spans("53", "53/udp", protocol="udp"))

    def test_none(self) -> None:
        """Without doors, or without ports of the protocol, there is no group."""
        self.assertEqual([], self.spans())
        self.assertEqual([], self.spans("22", protocol="udp"))

    def test_names(self) -> None:
        """A group keeps its name whatever other doors there are, and no two share one."""
        (group,) = portGroups([makeDoor()], "tcp")
        cut = makeDoor(ports="80-90", name="cut", cutSessions=True)
        found = [
            *portGroups([cut, makeDoor()], "tcp"),
            *portGroups([makeDoor(ports="1/udp")], "udp"),
        ]
        self.assertIn(group.name, {each.name for each in found})
        self.assertEqual(len(found), len({each.name for each in found}))

    def test_model(self) -> None:
        """
        For every port, the group has exactly the kinds of access that the doors there give, and no
        port is in two groups.
        """

        @PROPERTY
        @given(
            st.lists(st.lists(ranges(), max_size=4), max_size=4),
            st.sampled_from(("tcp", "udp")),
        )
        def check(ports: list[list[PortRange]], protocol: str) -> None:
            doors = doorsOf(ports)
            groups = portGroups(doors, protocol)
            singles, several = closedPorts(doors, protocol)
            for number in NUMBERS:
                expected: set[Access] = {
                    access
                    for door in doors
                    for ports in door.ports
                    if ports.protocol == protocol
                    for access, block in accessesOf(door, ports)
                    if block.first <= number <= block.last
                }
                found = [
                    {*group.lookups.accesses}
                    for group, spans in groups.items()
                    for first, last in spans
                    if first <= number <= last
                ]
                self.assertEqual([expected] if expected else [], found)
                closed = [span for span in (*singles, *several) if span[0] <= number <= span[1]]
                self.assertIs(bool(expected), bool(closed))
            ends = [end for span in several for end in span]
            self.assertEqual(sorted(set(ends)), ends)

        check()


class OverlayTests(SynchronousTestCase):
    """
    Tests of L{overlay}.
    """

    def test_stretches(self) -> None:
        """Each stretch has what applies there, once."""
        found = overlay([(1, 9, "a"), (3, 5, "ab"), (20, 65535, "c")])
        self.assertEqual(
            [(1, 2, ["a"]), (3, 5, ["a", "b"]), (6, 9, ["a"]), (20, 65535, ["c"])],
            [(first, last, sorted(things)) for first, last, things in found],
        )
