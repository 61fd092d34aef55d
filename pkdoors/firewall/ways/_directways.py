"""
The ways that lead past protected ports: from what is forwarded to what the guard must know. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from pkdoors.firewall.guard.guard import DirectWay
from pkdoors.firewall.ways.forwards import Forward
from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

MOST_WAYS = 4096
"""Ways that are guarded: a bound for the kernel's memory and our time, far above what a host with
containers has."""
MOST_STEPS = 16 * MOST_WAYS
"""The same, those counted that several rules have in common."""


@dataclass(frozen=True, slots=True)
class Ways:
    """
    @ivar direct: what the guard must know, in a fixed order.
    @ivar isCut: whether there are more.
    """

    direct: tuple[DirectWay, ...] = ()
    isCut: bool = False


_Key = tuple[Address, str, int]


def findWays(forwards: Iterable[Forward], protected: Iterable[PortRange]) -> Ways:
    """
    Return the ways that lead past protected ports. One that belongs to several of them is guarded
    like the port of the narrowest rule, the lowest of these. If there are too many, those of the
    narrowest rules count.
    """
    protected = list(protected)
    found: dict[_Key, tuple[int, int]] = {}
    steps = 0
    for width, forward in sorted(((_width(each), each) for each in forwards), key=itemgetter(0)):
        for address, port, wanted in _ways(forward, protected):
            steps += 1
            key = (address, forward.protocol, port)
            if (key not in found and len(found) >= MOST_WAYS) or steps > MOST_STEPS:
                return Ways(_sorted(found), isCut=True)
            found[key] = min((width, wanted), found.get(key, (width, wanted)))
    return Ways(_sorted(found))


def _width(forward: Forward) -> int:
    """Return how many ways a forward has, if all ports are protected."""
    target = forward.target
    low, high = target.ports or (forward.first, forward.last)
    return (int(target.last) - int(target.first) + 1) * (high - low + 1)


def _sorted(found: dict[_Key, tuple[int, int]]) -> tuple[DirectWay, ...]:
    ways = (DirectWay(*key, wanted) for key, (_, wanted) in found.items())
    return tuple(sorted(ways, key=lambda each: (each.address.packed, each.protocol, each.port)))


def _ways(forward: Forward, protected: list[PortRange]) -> Iterator[tuple[Address, int, int]]:
    """Yield address, port, and the protected port that leads there."""
    parts = [
        (max(each.first, forward.first, 1), min(each.last, forward.last))
        for each in protected
        if each.protocol == forward.protocol
    ]
    parts = sorted((first, last) for first, last in parts if first <= last)
    if not parts:
        return
    ports = list(islice(_ports(forward, parts), MOST_STEPS))
    if ports:
        yield from ((address, *each) for address in _addresses(forward) for each in ports)


def _addresses(forward: Forward) -> Iterator[Address]:
    first, last = forward.target.first, int(forward.target.last)
    at = int(first)
    while at <= last:  # range() has no more than 64 bits' worth
        yield type(first)(at)
        at += 1


def _ports(forward: Forward, parts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield each port where they go, and a protected port that may lead there."""
    ports, base = forward.target.ports, forward.target.base
    originals = (each for first, last in parts for each in range(first, last + 1))
    if ports is None:
        yield from ((each, each) for each in originals)
        return
    low, high = ports
    if high < low:
        return
    if base is not None:  # the kernel counts from there, and begins again at the end
        size = high - low + 1
        yield from ((low + (each - base) % 65536 % size, each) for each in originals)
        return
    # The kernel keeps a port that is in the range, and takes any of the range for another.
    isSameLength = high - low == forward.last - forward.first
    for port in range(low, high + 1):
        likely = forward.first + port - low if isSameLength else port
        isProtected = any(first <= likely <= last for first, last in parts)
        yield port, likely if isProtected else parts[0][0]
