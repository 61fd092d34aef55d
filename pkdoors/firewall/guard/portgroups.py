"""Groups ports by what packets to them are looked up in. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, TypeVar

from pkdoors.firewall.guard.openingsets import Access, accessesOf
from pkdoors.firewall.guard.trusted import TrustedLookup, trustedLookups
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange, mergeRanges

T = TypeVar("T")

Span = tuple[int, int]
"""The first and the last port of a range."""


class Lookups(NamedTuple):
    """
    What packets to a port are looked up in.

    @ivar cuts: whether sessions end with the opening.
    @ivar accesses: the kinds of openings; none if all doors open for one connection.
    @ivar trusted: the kinds of networks and interfaces that need no knock.
    @ivar gates: the kinds of openings for one connection.
    @ivar once: the names of the doors that open for one connection.
    """

    cuts: bool
    accesses: tuple[Access, ...] = ()
    trusted: tuple[TrustedLookup, ...] = ()
    gates: tuple[Access, ...] = ()
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortGroup:
    """
    Ports whose packets are looked up in the same sets. All doors with a port of their own are one
    group, unless they are of different kinds.

    @ivar protocol: C{tcp} or C{udp}.
    """

    protocol: str
    lookups: Lookups

    @cached_property
    def name(self) -> str:
        """The name of the chain. It depends on nothing but the lookups, so it stays if they do."""
        return f"{self.protocol}_{_digest(self.lookups)}"

    @property
    def onceName(self) -> str:
        """The name of the chain for openings for one connection, which other groups may share."""
        return f"once_{_digest(self.lookups.once)}"


def _digest(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:8]


def portGroups(doors: Iterable[Door], protocol: str) -> dict[PortGroup, list[Span]]:
    """
    Return all protected ports of a protocol by group; no port is in two groups. Only ranges of
    several ports are merged: a single one is found without a search.
    """
    found: dict[PortGroup, list[Span]] = {}
    for first, last, lookups in _pieces(list(doors), protocol):
        spans = found.setdefault(PortGroup(protocol, lookups), [])
        if spans and first < last and spans[-1][0] < spans[-1][1] == first - 1:
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    return found


def closedPorts(doors: Iterable[Door], protocol: str) -> tuple[list[Span], list[Span]]:
    """
    Return the protected ports: single ones, and ranges of several. A port may be in both. Ranges
    that overlap are merged, as the kernel wants them.
    """
    ranges = {ports for door in doors for ports in door.ports if ports.protocol == protocol}
    singles = sorted((each.first, each.last) for each in ranges if each.first == each.last)
    several = mergeRanges(each for each in ranges if each.first < each.last)
    return singles, [(each.first, each.last) for each in several]


def overlay(ranges: Iterable[tuple[int, int, Iterable[T]]]) -> Iterator[tuple[int, int, list[T]]]:
    """
    Yield each stretch of ports to which the same things apply, in order, with these things.

    @param ranges: the first and the last port of ranges, and what applies there.
    """
    events: dict[int, tuple[list[T], list[T]]] = {}
    for first, last, things in ranges:
        some = list(things)
        events.setdefault(first, ([], []))[0].extend(some)
        events.setdefault(last + 1, ([], []))[1].extend(some)
    inside: Counter[T] = Counter()  # several ranges may bring the same thing
    before = 0
    for at in sorted(events):
        if inside:
            yield before, at - 1, list(inside)
        begins, ends = events[at]
        inside.update(begins)
        inside.subtract(ends)
        for thing in ends:
            if not inside[thing]:
                del inside[thing]
        before = at


Part = tuple[str, object]


def _pieces(doors: list[Door], protocol: str) -> Iterator[tuple[int, int, Lookups]]:
    """Yield each stretch of ports with the same lookups, in order."""
    parts = (
        part
        for door in doors
        for ports in door.ports
        if ports.protocol == protocol
        for part in _partsOf(door, ports)
    )
    for first, last, found in overlay(parts):
        yield first, last, _lookups(found)


def _partsOf(door: Door, ports: PortRange) -> Iterator[tuple[int, int, list[Part]]]:
    cuts: Part = ("cuts", door.cutSessions and ports.protocol == "tcp")
    for access, block in accessesOf(door, ports):
        parts: list[Part] = [cuts, ("gate", access) if door.once else ("open", access)]
        parts += [("once", door.name)] if door.once else []
        parts += [("trusted", lookup) for lookup in trustedLookups(door, access)]
        yield block.first, block.last, parts


def _lookups(parts: Iterable[Part]) -> Lookups:
    found: dict[str, list[object]] = {}
    for kind, value in sorted(parts, key=repr):
        found.setdefault(kind, []).append(value)
    lists = [tuple(found.get(kind, ())) for kind in ("open", "trusted", "gate", "once")]
    return Lookups(True in found["cuts"], *lists)  # type: ignore[arg-type]
