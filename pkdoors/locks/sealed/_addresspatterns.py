"""Lists of addresses, as in C{from=} of an authorized key; C{ssh_config(5)}. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

from pkdoors.errors import BadValue
from pkdoors.model.sources import Network, Source, parseNetwork

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The meaning of C{*}."""

_NUMBERS = range(256)
_PART = re.compile(r"[0-9*?]{1,3}")
_PARTS = 4  # of an IPv4 address
_NOBODY = tuple(map(ip_network, ("0.0.0.0/32", "255.255.255.255/32", "::/128")))
_ALLOWED = "use 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 or 192.0.2.*, but not names of hosts"


@dataclass(frozen=True, slots=True)
class Wildcards:
    """
    An IPv4 address with C{*} and C{?}.

    @ivar numbers: for each of the four numbers of an address, the values that match.
    """

    numbers: tuple[frozenset[int], ...]

    def __contains__(self, address: object) -> bool:
        """Return whether an address matches."""
        return isinstance(address, IPv4Address) and all(
            number in matching
            for number, matching in zip(address.packed, self.numbers, strict=True)
        )

    def covers(self, other: "Wildcards") -> bool:
        """Return whether this pattern matches all addresses that another one matches."""
        both = zip(other.numbers, self.numbers, strict=True)
        return all(theirs <= ours for theirs, ours in both)


Pattern = Network | Wildcards


@dataclass(frozen=True, slots=True)
class AddressPatterns:
    """
    Patterns for addresses, and exceptions from them.

    @ivar allowed: patterns of addresses that are allowed.
    @ivar denied: exceptions: patterns with C{!} in front.
    """

    allowed: tuple[Pattern, ...]
    denied: tuple[Pattern, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "AddressPatterns":
        """
        Read C{10.0.0.0/8,!10.0.0.7,2001:db8::/32,192.0.2.*}.

        @raise BadValue: an item is not an address, or would not mean what it seems to. Names of
            hosts are refused: a name server would decide who may come in.
        """
        allowed: list[Pattern] = []
        denied: list[Pattern] = []
        items = [item.strip().lower() for item in text.split(",")]
        for item in items:
            (denied if item.startswith("!") else allowed).extend(_read(item.removeprefix("!")))
        if not allowed:
            raise BadValue("it allows no address: add the addresses that are allowed")
        for item in items:
            if item.startswith("!"):
                continue
            if all(_isCovered(pattern, denied) for pattern in _read(item)):
                raise BadValue(
                    f"it allows {item!r}, but excludes all of it again with !: "
                    "remove one or the other"
                )
        return cls(tuple(allowed), tuple(denied))

    @classmethod
    def parseNetworks(cls, text: str) -> "AddressPatterns":
        """
        Read C{10.0.0.0/8,2001:db8::/32}, as in the C{source-address} of a certificate: there sshd
        takes neither wildcards nor exceptions.

        @raise BadValue: an item is not an address or a network.
        """
        return cls(tuple(_readNetwork(item) for item in text.split(",")))

    def match(self, source: str) -> bool:
        """Return whether an address is allowed, and not denied."""
        address = ip_address(source)
        return any(address in pattern for pattern in self.allowed) and not any(
            address in pattern for pattern in self.denied
        )

    def covers(self, source: Source) -> bool:
        """Return whether all addresses of a source are allowed, and none is denied."""
        if not isinstance(source, IPv4Network | IPv6Network):
            return self.match(str(source))
        return _isCovered(source, self.allowed) and not any(
            _overlap(source, pattern) for pattern in self.denied
        )


def _overlap(network: Network, pattern: Pattern) -> bool:
    """Return whether a network and a pattern have an address in common."""
    if isinstance(pattern, IPv4Network | IPv6Network):
        return network.overlaps(pattern)
    if isinstance(network, IPv6Network):
        return False
    both = zip(_wildcardsOf(network).numbers, pattern.numbers, strict=True)
    return all(theirs & ours for theirs, ours in both)


def _read(item: str) -> tuple[Pattern, ...]:
    if not item:
        raise BadValue("an item is empty: remove the extra comma or !")
    if item == "*":
        return EVERYWHERE
    if "*" in item or "?" in item:
        return (_readWildcards(item),)
    return (_readNetwork(item),)


def _readNetwork(item: str) -> Network:
    """
    Read a network as the daemon sees it: IPv4 addresses that are mapped into IPv6 become IPv4.

    @raise BadValue: it is not a network, can never match, or does not mean what it seems to.
    """
    try:
        network = parseNetwork(item)
    except ValueError:
        raise BadValue(f"{item!r} is not an address: {_ALLOWED}") from None
    if network.is_multicast or network in _NOBODY:
        raise BadValue(f"{item!r} can never match: no knock comes from there")
    return network


def _readWildcards(item: str) -> Pattern:
    """
    Read an IPv4 address with C{*} and C{?}.

    @raise BadValue: it is an IPv6 address, which has many notations, so that most addresses that
        are meant would not match; or no address matches, or not those that one would expect.
    """
    if ":" in item:
        raise BadValue(
            f"{item!r} has * or ? in an IPv6 address, and would not match all that it seems to: "
            "write a network like 2001:db8::/32"
        )
    parts = item.split(".")
    if not all(map(_PART.fullmatch, parts)):
        raise BadValue(f"{item!r} is not an address: {_ALLOWED}")
    if len(parts) < _PARTS and parts[-1] == "*":
        parts += ["*"] * (_PARTS - len(parts))
    if len(parts) != _PARTS:
        raise BadValue(f"{item!r} does not have four numbers: write an IPv4 address like 10.0.*")
    numbers = tuple(
        frozenset(number for number in _NUMBERS if fnmatchcase(str(number), part)) for part in parts
    )
    if not all(numbers):
        raise BadValue(f"{item!r} can never match: not all of its numbers are 0 to 255")
    return _asNetwork(Wildcards(numbers))


def _asNetwork(wildcards: Wildcards) -> Pattern:
    """Return the network that wildcards stand for, if there is one: 10.0.* is 10.0.0.0/16."""
    fixed = [number for matching in wildcards.numbers for number in matching if len(matching) == 1]
    network = IPv4Network((bytes([*fixed, *[0] * (_PARTS - len(fixed))]), 8 * len(fixed)))
    return network if _wildcardsOf(network) == wildcards else wildcards


def _wildcardsOf(network: IPv4Network) -> Wildcards:
    ends = zip(network[0].packed, network[-1].packed, strict=True)
    return Wildcards(tuple(frozenset(range(first, last + 1)) for first, last in ends))


def _isCovered(pattern: Pattern, denied: Iterable[Pattern]) -> bool:
    """
    Return whether exceptions leave nothing of a pattern: several networks together, or a single
    exception.
    """
    if isinstance(pattern, IPv6Network):
        sixes = collapse_addresses(other for other in denied if isinstance(other, IPv6Network))
        return any(pattern.subnet_of(network) for network in sixes)
    fours = collapse_addresses(other for other in denied if isinstance(other, IPv4Network))
    if isinstance(pattern, IPv4Network) and any(pattern.subnet_of(network) for network in fours):
        return True
    small = pattern if isinstance(pattern, Wildcards) else _wildcardsOf(pattern)
    big = (
        other if isinstance(other, Wildcards) else _wildcardsOf(other)
        for other in denied
        if not isinstance(other, IPv6Network)
    )
    return any(wildcards.covers(small) for wildcards in big)
