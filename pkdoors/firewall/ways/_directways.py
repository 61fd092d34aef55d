"""
Finds the ways that lead past protected ports among the host's forwards. Pure.
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
"""Ways that are guarded: a bound for the kernel's memory and our time, far above the number on a
host with containers."""
MOST_STEPS = 16 * MOST_WAYS
"""The same, if a way counts again for each rule that leads to it."""


@dataclass(frozen=True, slots=True)
class Ways:
    """
    @ivar direct: the ways, in a fixed order.
    @ivar isCut: whether there are more.
    """

    direct: tuple[DirectWay, ...] = ()
    isCut: bool = False


_Key = tuple[Address, str, int]


def findWays(forwards: Iterable[Forward], protected: Iterable[PortRange]) -> Ways:
    """
    Return the ways that lead past protected ports. A way that belongs to several ports is guarded
    like the port of the narrowest rule, and of these like the lowest. If there are too many ways,
    those of the narrowest rules are returned.
    """
    protected = list(protected)
    found: dict[_Key, tuple[int, int]] = {}
    steps = 0
    byWidth = sorted(((_width(forward), forward) for forward in forwards), key=itemgetter(0))
    for width, forward in byWidth:
        for address, port, wanted in _ways(forward, protected):
            steps += 1
            key = (address, forward.protocol, port)
            if (key not in found and len(found) >= MOST_WAYS) or steps > MOST_STEPS:
                return Ways(_sorted(found), isCut=True)
            found[key] = min((width, wanted), found.get(key, (width, wanted)))
    return Ways(_sorted(found))


def _width(forward: Forward) -> int:
    """Return the number of ways of a forward if all ports are protected."""
    target = forward.target
    low, high = target.ports or (forward.first, forward.last)
    return (int(target.last) - int(target.first) + 1) * (high - low + 1)


def _sorted(found: dict[_Key, tuple[int, int]]) -> tuple[DirectWay, ...]:
    ways = (DirectWay(*key, wanted) for key, (_, wanted) in found.items())
    return tuple(sorted(ways, key=lambda way: (way.address.packed, way.protocol, way.port)))


def _ways(forward: Forward, protected: list[PortRange]) -> Iterator[tuple[Address, int, int]]:
    """Yield the address and the port of each way, and the protected port that leads there."""
    parts = [
        (max(ports.first, forward.first, 1), min(ports.last, forward.last))
        for ports in protected
        if ports.protocol == forward.protocol
    ]
    parts = sorted((first, last) for first, last in parts if first <= last)
    if not parts:
        return
    pairs = list(islice(_ports(forward, parts), MOST_STEPS))
    if pairs:
        yield from ((address, *pair) for address in _addresses(forward) for pair in pairs)


def _addresses(forward: Forward) -> Iterator[Address]:
    first, last = forward.target.first, int(forward.target.last)
    at = int(first)
    while at <= last:  # range() is limited to 64 bits
        yield type(first)(at)
        at += 1


def _ports(forward: Forward, parts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield each port of the target, and a protected port that may lead there."""
    ports, base = forward.target.ports, forward.target.base
    originals = (port for first, last in parts for port in range(first, last + 1))
    if ports is None:
        yield from ((port, port) for port in originals)
        return
    low, high = ports
    if high < low:
        return
    if base is not None:  # the kernel counts from there, and wraps around at the end
        size = high - low + 1
        yield from ((low + (port - base) % 65536 % size, port) for port in originals)
        return
    # The kernel keeps a port that is in the range, and replaces any other by one of the range.
    isSameLength = high - low == forward.last - forward.first
    for port in range(low, high + 1):
        likely = forward.first + port - low if isSameLength else port
        isProtected = any(first <= likely <= last for first, last in parts)
        yield port, likely if isProtected else parts[0][0]
