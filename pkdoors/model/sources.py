"""Sources: whom a door is open for, an address or a network. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from pkdoors.errors import BadValue
from pkdoors.model.addresses import Address, canonicalize

Network = IPv4Network | IPv6Network
Source = Address | Network
"""A network always has more than one address: one of a single address is that address."""

WHOLE = {4: 32, 6: 128}
"""The lengths of single addresses."""
SHORTEST = {4: 8, 6: 16}
"""The shortest lengths of networks that a door opens for: shorter ones are much of the Internet."""

_PRIVATE = IPv6Network("fc00::/7")
MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses, as sockets for IPv6 show them."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""The addresses that a translator gives IPv4 clients; RFC 6052. All of IPv4 is one network here."""
_MIXED = (
    _TRANSLATED,
    IPv6Network("64:ff9b:1::/48"),  # the same, RFC 8215
    IPv6Network("2001::/32"),  # Teredo: clients of one server, from everywhere
    IPv6Network("fe80::/10"),  # link-local: all hosts of a link, whoever has them
)
"""Networks in which neighbours by number are strangers to each other."""


def readSource(text: str) -> Source:
    """Return the source that a text of ours means: C{str} of a source."""
    return ip_network(text) if "/" in text else ip_address(text)


def parseSource(text: str) -> Source:
    """
    Return the source that somebody's text means. IPv4 that is mapped into IPv6 becomes IPv4.

    @raise BadValue: it is neither an address nor a network, or it is much of the Internet.
    """
    if "/" in text:
        return _parseLarger(text)
    try:
        return ip_address(canonicalize(text))
    except ValueError:
        raise BadValue(f"{text!r} is not an address: give an IPv4 or IPv6 address") from None


def parseNetwork(text: str) -> Network:
    """
    Return the network that somebody's text means, which may be a single address. IPv4 that is
    mapped into IPv6 becomes IPv4.

    @raise ValueError: it is not a network.
    @raise BadValue: it has the address of a host.
    """
    address, slash, length = text.partition("/")
    network: Network = ip_network(text, strict=False)
    if "%" in text or (slash and not length.isdecimal()):
        raise ValueError(text)
    if ip_address(address) != network.network_address:
        # Perhaps the address is meant, so nothing is guessed; nor does sshd.
        raise BadValue(
            f"{text!r} is the address of a host with the length of a network: "
            f"write {network} for the network, or {address} for the host"
        )
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        first = network.network_address.packed[-4:]
        return IPv4Network((first, network.prefixlen - MAPPED.prefixlen))
    return network


def _parseLarger(text: str) -> Source:
    try:
        network = parseNetwork(text)
    except ValueError:
        raise BadValue(
            f"{text!r} is not a network: write it like 10.0.0.0/16 or 2001:db8::/64"
        ) from None
    if _isMuch(network):
        raise BadValue(
            f"{text!r} is the whole Internet, or much of it: a door opens for networks of at "
            f"least /{SHORTEST[4]} over IPv4, /{SHORTEST[6]} over IPv6"
        )
    return network if network.prefixlen < network.max_prefixlen else network.network_address


def _isMuch(network: Network) -> bool:
    """Return whether a network is much of the Internet."""
    if isinstance(network, IPv6Network):
        if network.subnet_of(_PRIVATE):
            return False
        if network.overlaps(_TRANSLATED):
            return network.prefixlen < _TRANSLATED.prefixlen + SHORTEST[4]
    return network.prefixlen < SHORTEST[network.version]


def isNetwork(source: Source) -> bool:
    """Return whether a source is a network."""
    return isinstance(source, IPv4Network | IPv6Network)


def firstAddress(source: Source) -> Address:
    """Return the address, or the first one of a network."""
    return source.network_address if isinstance(source, IPv4Network | IPv6Network) else source


def lengthOf(source: Source) -> int:
    """Return the length of the prefix that all addresses of a source share, in bits."""
    if isinstance(source, IPv4Network | IPv6Network):
        return source.prefixlen
    return source.max_prefixlen


def cutTo(source: Source, length: int) -> Source:
    """Return the network of a length that contains a source which is not wider."""
    address = firstAddress(source)
    if length >= address.max_prefixlen:
        return address
    return ip_network((address, length), strict=False)


def widen(address: Address, length: int) -> Source:
    """
    Return the network that a door opens for one client; only the client's address if others that
    have nothing to do with the client are in that network.
    """
    if isinstance(address, IPv6Address) and any(address in mixed for mixed in _MIXED):
        return address
    return cutTo(address, length)


def isWithin(source: Source, other: Source) -> bool:
    """Return whether a source is another one, or a part of it."""
    length = lengthOf(other)
    if source.version != other.version or lengthOf(source) < length:
        return False
    shift = other.max_prefixlen - length
    return int(firstAddress(source)) >> shift == int(firstAddress(other)) >> shift


class SourceSet:
    """
    Sources, of which those that contain an address are found without a search through all.
    """

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._sources: set[Source] = set()
        self._lengths: Counter[tuple[int, int]] = Counter()
        for source in sources:
            self.add(source)

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self._sources)

    def __contains__(self, source: object) -> bool:
        """Return whether just this source is one of them."""
        return source in self._sources

    def countNetworks(self) -> int:
        """Return how many of the sources are networks."""
        return sum(count for kind, count in self._lengths.items() if kind[1] < WHOLE[kind[0]])

    def add(self, source: Source) -> None:
        """Add a source."""
        count = len(self._sources)
        self._sources.add(source)
        if len(self._sources) > count:  # an address computes its hash in Python each time
            self._lengths[source.version, lengthOf(source)] += 1

    def discard(self, source: Source) -> None:
        """Remove a source, if it is there."""
        if source in self._sources:
            self._sources.discard(source)
            kind = source.version, lengthOf(source)
            self._lengths[kind] -= 1
            if not self._lengths[kind]:
                del self._lengths[kind]

    def containing(self, source: Source) -> Iterator[Source]:
        """Yield the sources that contain all of another one, the source itself included."""
        longest = lengthOf(source)
        for version, length in sorted(self._lengths):
            if version == source.version and length <= longest:
                found = cutTo(source, length)
                if found in self._sources:
                    yield found

    def within(self, source: Source) -> Iterator[Source]:
        """Yield the sources that are smaller parts of another one."""
        for other in self._sources:
            if other != source and isWithin(other, source):
                yield other

    def letsIn(self, address: Address) -> bool:
        """Return whether any source contains an address."""
        return any(True for _ in self.containing(address))
