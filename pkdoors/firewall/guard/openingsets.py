"""
The sets that say whom the doors are open for. Pure.

Each opening has one element in a set of all openings, which no rule looks at: its key is the
client and the door, its comment names the principal. What rules look up is a client and a port, so
a packet costs the same however many doors there are, and no element ever means anything else when
the doors change. If several doors are open for one client at one port, the element there lasts as
long as the last of them.

Networks have sets of their own, whose rules compare only the first bits of a packet's source; so do
large blocks of ports. A set of intervals would do it without a rule for each length, but while an
element of such a set changes, the kernel may find neither the old nor the new one.

Openings for one connection have sets by door: they are used up as a whole, at all of its ports. So
that packets need not be looked up in those of all doors, other sets say who has any such opening at
a port, who has one at all, and who has one through any door of a block: of those whose names have
hashes with the same first digit, or the same first two.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_network
from typing import NamedTuple

from pkdoors.model.doors import Door, Opening
from pkdoors.model.portblocks import PortBlock, sizeOf, splitBlocks
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import WHOLE, Source, isNetwork, lengthOf

IP = {4: "ip", 6: "ip6"}
"""How nft names a version of IP."""
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
"""How nft names the type of an address."""
OPEN, GATE = "open", "gate"
"""Parts of the names of sets: of openings for any number of connections, and for one."""
BLOCK_DIGITS = (1, 2)
"""How many hex digits of hashes the doors of a block have in common: of a thousand doors, a packet
is looked up in the sets of 40 at most, with those of the blocks."""
_ZERO = {4: "0.0.0.0", 6: "::"}
_REMEMBERED = 16_384


class Scope(NamedTuple):
    """
    What of an address is compared.

    @ivar version: of IP, 4 or 6.
    @ivar length: how many bits.
    """

    version: int
    length: int

    @property
    def suffix(self) -> str:
        """A part of the names of sets: C{4}, or C{4_24} for networks."""
        isWhole = self.length == WHOLE[self.version]
        return f"{self.version}" if isWhole else f"{self.version}_{self.length}"

    @property
    def field(self) -> str:
        """The field of a packet that is looked up."""
        return maskSource(self.version, self.length)


Scopes = tuple[Scope, ...]


class UdpTimes(NamedTuple):
    """
    How long UDP sessions go on after their door has closed. Doors with the same times share sets.

    @ivar idle: seconds of silence after which they end.
    @ivar most: seconds after which they end.
    """

    idle: float
    most: float

    @property
    def new(self) -> float:
        """
        The seconds for which a first datagram that has not been answered is remembered: a part of
        the longest time that a session goes on.
        """
        return min(self.idle, self.most / 2)

    @property
    def suffix(self) -> str:
        """A part of the names of sets and chains."""
        return "_".join(f"{round(1000 * seconds)}ms" for seconds in self)

    def setName(self, kind: str, version: int) -> str:
        """Return the name of a set of flows; C{kind} is C{idle}, C{most} or C{new}."""
        return f"udp{kind}{version}_{self.suffix}"

    @property
    def chain(self) -> str:
        """The chain that lets in packets, and remembers their flows."""
        return f"udpletin_{self.suffix}"


class Access(NamedTuple):
    """
    A kind of access to ports: a packet is looked up in a set for each.

    @ivar protocol: C{tcp} or C{udp}.
    @ivar exponent: that of the blocks of ports that the set has, see L{PortBlock}.
    @ivar times: of UDP sessions, if they go on.
    """

    protocol: str
    exponent: int
    times: UdpTimes | None = None

    def setName(self, scope: str, kind: str = OPEN) -> str:
        """Return the name of the set: C{tcp_open4}, C{tcp_open4_24}, C{tcp_open4_by16}."""
        ports = f"_by{sizeOf(self.exponent)}" if self.exponent else ""
        times = f"_{self.times.suffix}" if self.times else ""
        return f"{self.protocol}_{kind}{scope}{ports}{times}"

    def key(self, block: PortBlock) -> bytes:
        """Return the part of a key that stands for a block of ports."""
        return block.first.to_bytes(2) + bytes(2)


class OnceSet(NamedTuple):
    """
    A set of a door's openings for one connection.

    @ivar door: the name of the door.
    """

    door: str
    scope: Scope

    @property
    def name(self) -> str:
        """The name in the guard's table: C{ssh_once4}, or C{ssh_once4_24} for networks."""
        return self._named("once")

    @property
    def used(self) -> str:
        """The name of the set that says which openings for one connection are used."""
        return self._named("used")

    @property
    def first(self) -> str:
        """The chain that lets in the first connection of such an opening."""
        return self._named("first")

    def block(self, digits: int) -> str:
        """Return the set of all clients with such an opening through a door of its block."""
        return f"onceblock{_hashName(self.door)[:digits]}_{self.scope.suffix}"

    @property
    def blocks(self) -> list[str]:
        """The sets of its blocks."""
        return [self.block(digits) for digits in BLOCK_DIGITS]

    def _named(self, kind: str) -> str:
        return f"{self.door}_{kind}{self.scope.suffix}"


@lru_cache(maxsize=_REMEMBERED)
def _hashName(door: str) -> str:
    return sha256(door.encode()).hexdigest()


def maskSource(version: int, length: int) -> str:
    """Return the first bits of a packet's source, as nft reads them."""
    source = f"{IP[version]} saddr"
    if length == WHOLE[version]:
        return source
    return f"{source} & {ip_network((_ZERO[version], length)).netmask}"


def udpTimesOf(door: Door) -> UdpTimes | None:
    """Return the times of a door's UDP sessions; L{None} if they end with the opening."""
    if door.cutSessions or door.udpMax <= 0:
        return None
    return UdpTimes(door.udpIdle, door.udpMax)


def accessesOf(door: Door, ports: PortRange) -> Iterator[tuple[Access, PortBlock]]:
    """Yield the blocks of some of a door's ports, with the kind of access to each."""
    times = udpTimesOf(door) if ports.protocol == "udp" else None
    for block in splitBlocks(ports.first, ports.last):
        yield Access(ports.protocol, block.exponent, times), block


def scopesOf(doors: Iterable[Door], networks: Iterable[Scope] = ()) -> Scopes:
    """
    Return what all rules compare of addresses: single ones, the networks that keys open for, and
    those of other lengths, which operators open.

    @param networks: what present openings need.
    """
    found = {Scope(version, length) for version, length in WHOLE.items()} | {*networks}
    for door in doors:
        for key, length in door.grants().items():
            found.add(Scope(int(key[-1]), length))
    return tuple(sorted(found, key=lambda scope: (scope.version, -scope.length)))


def scopeOf(source: Source) -> Scope:
    """Return what must be compared to find a source."""
    return Scope(source.version, lengthOf(source))


def networkScopes(openings: Iterable[Opening]) -> frozenset[Scope]:
    """Return what must be compared for the networks among some openings."""
    return frozenset(scopeOf(each.source) for each in openings if isNetwork(each.source))


def onceSets(door: Door, scopes: Iterable[Scope]) -> list[OnceSet]:
    """Return the sets of a door's openings for one connection; none if it has no such."""
    return [OnceSet(door.name, scope) for scope in scopes] if door.once else []


def onceClients(scope: Scope) -> str:
    """Return the set of all clients that have an opening for one connection."""
    return f"onceclients{scope.suffix}"


def onceSetOf(opening: Opening) -> OnceSet:
    """Return the set that has an opening for one connection as an element."""
    return OnceSet(opening.door.name, scopeOf(opening.source))


def openingsName(version: int) -> str:
    """Return the name of the set of all openings over a version of IP."""
    return f"openings{version}"
