"""
What doors must not share. Pure.

The time grows with the number of doors, not with that of pairs: there may be thousands of doors.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort, asRange
from pkdoors.model.ports import PortRange


def findClosedKnockPorts(doors: Iterable[Door]) -> Iterator[tuple[Door, Door]]:
    """Yield pairs of doors: the second one protects a knock port of the first."""
    doors = tuple(doors)
    knocked: dict[KnockPort, Door] = {}
    for door in doors:
        for port in door.knockPorts:
            knocked.setdefault(port, door)
    numbers: dict[str, dict[int, Door]] = {"tcp": {}, "udp": {}}
    for port, door in knocked.items():
        wanted = asRange(port)
        numbers[wanted.protocol][wanted.first] = door
    ordered = {protocol: sorted(found) for protocol, found in numbers.items()}
    for other in doors:
        for ports in other.ports:
            found = ordered[ports.protocol]
            at = bisect_left(found, ports.first)
            if at < len(found) and found[at] <= ports.last:
                yield numbers[ports.protocol][found[at]], other


def findMixedSessions(doors: Iterable[Door]) -> Iterator[tuple[Door, Door, PortRange]]:
    """
    Yield pairs of doors, the earlier one first, and ports of that one that the other protects, too,
    although only one of the two cuts sessions.
    """
    every = sorted((ports, at, door) for at, door in enumerate(doors) for ports in door.ports)
    # Of those that begin further left, the range that reaches furthest, for either policy.
    furthest: dict[tuple[str, bool], tuple[PortRange, int, Door]] = {}
    for ports, at, door in every:
        other = furthest.get((ports.protocol, not door.cutSessions))
        if other is not None and other[0].overlaps(ports):
            first, second = sorted([other, (ports, at, door)], key=lambda found: found[1])
            yield first[2], second[2], first[0]
        same = (ports.protocol, door.cutSessions)
        if same not in furthest or furthest[same][0].last < ports.last:
            furthest[same] = ports, at, door
