"""Port numbers, and the ports that a door protects."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

T = TypeVar("T")

_NUMBER = re.compile("[0-9]{1,9}")
_RANGE = re.compile(r"([^-/:]*)(?:-([^-/:]*))?(?:[/:](tcp|udp))?")
_ALLOWED = "write 22, 22/tcp, 51820/udp or 6000-6010/tcp, several with commas"


def parsePort(text: str) -> int:
    """
    Read one port number.

    @raise BadValue: it is not a number from 1 to 65535.
    """
    text = text.strip()
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise BadValue(f"{shown(text)} is not a port: a port is a number from 1 to 65535")
    return int(text)


def parseTcpPort(text: str) -> int:
    """
    Read the port of a connection, C{22} or C{22/tcp}.

    @raise BadValue: it is not a TCP port.
    """
    number, _, protocol = text.strip().replace(":", "/").partition("/")
    if protocol == "udp":
        raise BadValue(
            f"{shown(text)} is a UDP port, and only a TCP port accepts connections: "
            "give a TCP port, such as 22 or 22/tcp"
        )
    return parsePort(number if protocol == "tcp" else text)


def splitList(text: str, what: str) -> list[str]:
    """
    Split a list at its commas.

    @raise BadValue: an item is empty.
    """
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise BadValue(f"{shown(text)} has an empty item: separate {what} with single commas")
    return items


def parseEach(items: list[str], parse: Callable[[str], T]) -> Iterator[T]:
    """
    Read each item of a list.

    @raise BadValue: an item is not allowed. The message gives its number, as it may be secret.
    """
    for number, item in enumerate(items, 1):
        try:
            yield parse(item)
        except BadValue as error:
            raise error.at(f"item {number}") if len(items) > 1 else error from None


class PortRange(NamedTuple):
    """
    The ports C{first} to C{last}, both included, of C{"tcp"} or C{"udp"}.
    """

    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.span}/{self.protocol}"

    @property
    def span(self) -> str:
        """The numbers alone, C{"22"} or C{"6000-6010"}, as nftables and firewalld write them."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def isWithin(self, other: "PortRange") -> bool:
        """Return whether another range has all ports of this one."""
        ends = other.first <= self.first and self.last <= other.last
        return self.protocol == other.protocol and ends

    def overlaps(self, other: "PortRange") -> bool:
        """Return whether both ranges have a port in common."""
        return (
            self.protocol == other.protocol
            and self.first <= other.last
            and other.first <= self.last
        )


def parsePortRange(text: str) -> PortRange:
    """
    Read C{22}, C{22/tcp}, C{51820/udp} or C{6000-6010/tcp}, or C{22:tcp} as knockd writes it. The
    default protocol is C{tcp}.

    @raise BadValue: it is not a port or a range.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise BadValue(f"{shown(text)} is not a port: {_ALLOWED}")
    try:
        first = parsePort(match[1])
        last = first if match[2] is None else parsePort(match[2])
    except BadValue:
        what = shown(text)
        raise BadValue(f"{what} is not a port, a number from 1 to 65535: {_ALLOWED}") from None
    if last < first:
        raise BadValue(f"{shown(text)} runs backwards: write the smaller port first")
    return PortRange(match[3] or "tcp", first, last)


def parsePortRanges(text: str) -> tuple[PortRange, ...]:
    """
    Read the protected ports of a door, C{22,80,6000-6010/tcp}.

    @return: sorted, with overlapping and adjacent ranges merged.
    @raise BadValue: an item is not a port or a range.
    """
    return mergeRanges(parseEach(splitList(text, "ports"), parsePortRange))


NO_PORTS = "none"
"""Stands for the ports of a door that has none."""


def parseDoorPorts(text: str) -> tuple[PortRange, ...]:
    """
    Read what L{parsePortRanges} reads, or L{NO_PORTS}.

    @raise BadValue: an item is not a port or a range.
    """
    return () if text.strip() == NO_PORTS else parsePortRanges(text)


def mergeRanges(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """
    Return the same ports, sorted, with overlapping and adjacent ranges merged: nftables refuses a
    set whose intervals overlap.
    """
    return tuple(_merge(sorted(ranges)))


def _merge(ranges: list[PortRange]) -> Iterator[PortRange]:
    held: PortRange | None = None
    for new in ranges:
        if held and held.protocol == new.protocol and new.first <= held.last + 1:
            held = PortRange(held.protocol, held.first, max(held.last, new.last))
            continue
        if held:
            yield held
        held = new
    if held:
        yield held
