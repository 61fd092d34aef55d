"""
The ways that lead past protected ports: from what is forwarded to what the guard must know. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pkdoors.doors import Address
from pkdoors.guard import Direct
from pkdoors.natrules import Forward
from pkdoors.ports import PortRange

MOST_WAYS = 4096
"""Ways that are guarded: a bound for the kernel's memory and our time, far above what a host with
containers has."""


@dataclass(frozen=True, slots=True)
class Ways:
    """
    @ivar direct: what the guard must know, in a fixed order.
    @ivar isCut: whether there are more.
    """

    direct: tuple[Direct, ...] = ()
    isCut: bool = False


def waysPast(forwards: Iterable[Forward], protected: Iterable[PortRange]) -> Ways:
    """
    Return the ways that lead past protected ports. Where one belongs to several of them, it is
    guarded like the lowest.
    """
    protected = list(protected)
    found: dict[tuple[Address, str, int], int] = {}
    for forward in forwards:
        for address, port, wanted in _ways(forward, protected):
            key = (address, forward.protocol, port)
            if key not in found and len(found) >= MOST_WAYS:
                return Ways(_sorted(found), isCut=True)
            found[key] = min(wanted, found.get(key, wanted))
    return Ways(_sorted(found))


def _sorted(found: dict[tuple[Address, str, int], int]) -> tuple[Direct, ...]:
    ways = (Direct(*key, wanted) for key, wanted in found.items())
    return tuple(sorted(ways, key=lambda each: (each.address.packed, each.protocol, each.port)))


def _ways(forward: Forward, protected: list[PortRange]) -> Iterator[tuple[Address, int, int]]:
    """Yield address, port, and the protected port that leads there."""
    parts = [
        (max(each.first, forward.first, 1), min(each.last, forward.last))
        for each in protected
        if each.protocol == forward.protocol
    ]
    parts = [(first, last) for first, last in parts if first <= last]
    if not parts:
        return
    for address in _addresses(forward):
        for port, wanted in _ports(forward, parts):
            yield address, port, wanted


def _addresses(forward: Forward) -> Iterator[Address]:
    first, last = int(forward.target.first), int(forward.target.last)
    kind = type(forward.target.first)
    yield from (kind(each) for each in range(first, last + 1))


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
