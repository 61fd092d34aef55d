"""
Which UDP sockets the knock ports need, and what keeps this host from giving them.

A knock port is taken at every address, of IPv4 and of IPv6, whatever the configuration says: then
no other user of the host can have it at any. The filter on its socket decides which addresses are
heard. So an address that the host does not have yet is heard as soon as it comes, and a change of
addresses takes no port and gives none back.

If another program has the port at some address, so that we cannot have it at all of them, we take
it at each of the addresses that the configuration names.
"""

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType

from pkdoors.errors import ListenError
from pkdoors.host.bpf import assemble
from pkdoors.host.descriptors import limit, limitFor, moveUp, roomForSockets
from pkdoors.host.socketfilter import attachFilter
from pkdoors.knockports._recvmmsg import SO_TIMESTAMPNS
from pkdoors.knockports._socket import KnockSocket, sharing
from pkdoors.knockports.filters import TAKE_ALL, addressFilter
from pkdoors.model.addresses import Address

ANY = {4: "0.0.0.0", 6: "::"}
"""Every address, by the version of IP."""

BUFFER = 1 << 20
"""Bytes that a socket holds for us while we are busy, as far as the host's net.core.rmem_max lets:
some hundred knocks, each of which the kernel counts as nearly a kilobyte. Not more, or under a
flood that is too much for us an honest knock would wait for all that is before it."""

MANY = 256
"""Sockets that may have low descriptors; see L{pkdoors.host.descriptors.LOW}."""

NO_FILTERS: Mapping[int, bytes] = MappingProxyType({})

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_TAKE_ALL = assemble(TAKE_ALL)
# IP_FREEBIND and IPV6_FREEBIND of linux/in.h and linux/in6.h, with their levels.
_FREELY = {4: (socket.IPPROTO_IP, 15), 6: (socket.IPPROTO_IPV6, 78)}
# What keeps a port from being had at all addresses, though perhaps not at each: somebody has it at
# one, or the kernel does not filter, or not by so many addresses.
_AT_EACH_ADDRESS = {errno.EADDRINUSE, errno.ENOPROTOOPT, errno.EINVAL, errno.ENOMEM}

Endpoint = tuple[str, int]
"""A local address, or one of L{ANY}, and a port."""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What to listen on.

    @ivar ports: the knock ports.
    @ivar interfaces: the local addresses; empty for all that the host has.
    @ivar filters: for each port, the program of L{pkdoors.host.bpf} that says what is heard there;
        a port that has none hears everything.
    """

    ports: tuple[int, ...] = ()
    interfaces: tuple[str, ...] = ()
    filters: Mapping[int, bytes] = field(default_factory=lambda: NO_FILTERS)

    def addresses(self, version: int) -> tuple[str, ...]:
        """Return the addresses to hear of one version of IP; L{ANY} for all."""
        chosen = [each for each in self.interfaces if _parse(each).version == version]
        if not self.interfaces or ANY[version] in chosen:
            return (ANY[version],)
        return tuple(chosen)

    def versions(self) -> list[int]:
        """Return the versions of IP to hear: IPv6 only if the host has it, or by name."""
        isSeen = bool(self.interfaces) or hasIPv6()
        return [each for each in ANY if self.addresses(each) and (each == 4 or isSeen)]

    def needs(self) -> int:
        """Return the number of sockets that it takes to hear everything."""
        return len(self.ports) * len(self.versions())

    def program(self, place: Endpoint) -> bytes:
        """Return the filter for a socket there; empty for none."""
        interface, port = place
        knocks = self.filters.get(port, b"")
        if not self.isFiltered(interface):
            return knocks
        addresses = self.addresses(_parse(interface).version)
        return addressFilter(tuple(_found(addresses))) + (knocks or _TAKE_ALL)

    def isFiltered(self, interface: str) -> bool:
        """Tell whether a socket there gets datagrams that are to other addresses than we want."""
        return interface in ANY.values() and interface not in self.addresses(
            _parse(interface).version
        )

    def isScoped(self) -> bool:
        """Tell whether an address is one of a named interface, whose number may change."""
        return any("%" in each for each in self.interfaces)


def _parse(interface: str) -> Address:
    return ip_address(interface.partition("%")[0])


def _found(addresses: Iterable[str]) -> Iterator[tuple[Address, int]]:
    """Yield addresses with the number of their interface; not those whose interface is missing."""
    for each in addresses:
        _, _, scope = each.partition("%")
        with suppress(OSError):
            yield _parse(each), _interfaceNumber(scope) if scope else 0


def _interfaceNumber(scope: str) -> int:
    return int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)


def isThere(interface: str) -> bool:
    """Tell whether this host has a local address now."""
    try:
        bindUDP(interface, 0).close()
    except ListenError:
        return False
    return True


def checkFits(plan: Plan) -> None:
    """
    See that this process may open as many sockets as a plan takes.

    @raise ListenError: it may not.
    """
    needed = plan.needs()
    if needed > roomForSockets():
        raise ListenError(_tooMany(needed))


def _tooMany(needed: int) -> str:
    return (
        f"the knock ports need {needed} sockets, and this process may open {limit()} files: raise "
        f"LimitNOFILE= of the service (`ulimit -n` elsewhere) to {limitFor(needed)} or more, or "
        "have doors share knock ports"
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A socket that could not be had.

    @ivar number: of L{errno}; 0 if there was no more room for it.
    """

    place: Endpoint
    number: int
    reason: str

    @property
    def isLasting(self) -> bool:
        """Tell whether it does not go away when the address comes."""
        return self.number in _REMEDIES


class Search:
    """
    Takes what a plan lacks.

    @param held: the sockets that are ours already.
    @ivar fresh: those that were taken. Nothing is read from them yet.
    @ivar failures: those that could not be.
    """

    def __init__(self, plan: Plan, held: Mapping[Endpoint, KnockSocket]) -> None:
        self.plan = plan
        self._held = held
        self._room = roomForSockets() - len(held)
        self._noRoom = ""
        self.fresh: dict[Endpoint, socket.socket] = {}
        self.failures: list[Failure] = []
        wanted = plan.versions()
        for version in wanted:
            for port in plan.ports:
                self._seek(version, port)
        # Nobody else shall have them, even where nothing is to be heard.
        for version in ANY:
            for port in plan.ports if version not in wanted else ():
                self._reserve((ANY[version], port))

    def close(self) -> None:
        """Give back what was taken."""
        for each in self.fresh.values():
            each.close()

    def isKept(self, place: Endpoint) -> bool:
        """Tell whether a socket of ours is of use to the plan."""
        interface, port = place
        if port not in self.plan.ports:
            return False
        everywhere = ANY[_parse(interface).version]
        if interface == everywhere:
            return True
        isEverywhere = (everywhere, port) in self._held or (everywhere, port) in self.fresh
        addresses = self.plan.addresses(_parse(interface).version)
        return not isEverywhere and (interface in addresses or everywhere in addresses)

    def _seek(self, version: int, port: int) -> None:
        everywhere = (ANY[version], port)
        if everywhere in self._held:
            return
        addresses = self.plan.addresses(version)
        ours = [
            each
            for place, each in self._held.items()
            if place[1] == port and _parse(place[0]).version == version
        ]
        isEach = ANY[version] not in addresses
        if (ours and isEach) or not self._try(everywhere, ours, isLast=not isEach):
            for address in addresses if isEach else ():
                if (address, port) not in self._held:
                    self._try((address, port))

    def _try(self, place: Endpoint, ours: Iterable[KnockSocket] = (), isLast: bool = True) -> bool:
        """
        Take a port.

        @param ours: sockets of ours that have it at other addresses.
        @param isLast: whether a failure counts: there is no other way to have it.
        """
        if self._room <= 0:
            self._noRoom = self._noRoom or _tooMany(self.plan.needs())
            self.failures.append(Failure(place, 0, self._noRoom))
            return True  # no other way has more room
        try:
            with ExitStack() as stack:
                for each in ours:
                    stack.enter_context(each.shared())
                self._take(place, isShared=bool(ours))
        except OSError as error:
            if not isLast and error.errno in _AT_EACH_ADDRESS:
                return False
            self.failures.append(Failure(place, error.errno or -1, _explain(error, place[0])))
        return True

    def _reserve(self, place: Endpoint) -> None:
        if place not in self._held and self._room > 0:
            with suppress(OSError):  # it is of no use to us
                self._take(place)

    def _take(self, place: Endpoint, isShared: bool = False) -> None:
        isHigh = len(self._held) + len(self.fresh) >= MANY
        bound = _openUDP(place[0], isHigh)
        try:
            # Before the first datagram can come.
            if program := self.plan.program(place):
                with nullcontext() if self.plan.isFiltered(place[0]) else suppress(OSError):
                    attachFilter(bound, program)
            with sharing(bound) if isShared else nullcontext():
                _bind(bound, place)
        except OSError:
            bound.close()
            raise
        self.fresh[place] = bound
        self._room -= 1


def hasIPv6() -> bool:
    """Whether this host has IPv6: the kernel may lack it, or be told not to use it."""
    try:
        bindUDP(ANY[6], 0).close()
    except ListenError:
        return False
    return True


def isFree(port: int) -> bool:
    """Whether a UDP port can be listened on, on all addresses."""
    search = Search(Plan((port,)), {})
    search.close()
    return not search.failures


def bindUDP(interface: str, port: int) -> socket.socket:
    """
    Return a UDP socket on one port of one address that this host has.

    @raise ListenError: the port is taken, or may not be, or the address is not of this host.
    """
    try:
        bound = _openUDP(interface, isFree=False)
        try:
            _bind(bound, (interface, port))
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ListenError(_explain(error, interface)) from error
    return bound


def _openUDP(interface: str, isHigh: bool = False, isFree: bool = True) -> socket.socket:
    """
    Make a UDP socket.

    @param isHigh: whether its descriptor goes above L{LOW}.
    @param isFree: whether the address may be one that the host does not have yet.
    """
    version = _parse(interface).version
    bound = socket.socket(_FAMILIES[version], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if isHigh:
        bound = moveUp(bound)
    try:
        if version == 6:  # IPv4 has a socket of its own
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if isFree and interface != ANY[version]:
            bound.setsockopt(*_FREELY[version], 1)
    except OSError:
        bound.close()
        raise
    return bound


def _bind(bound: socket.socket, place: Endpoint) -> None:
    interface, port = place
    where = socket.getaddrinfo(
        interface, port, bound.family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    bound.bind(where[0][4])


_REMEDIES = {
    errno.EADDRINUSE: "another program has what is missing (`pkdoors check` shows which): end that "
    "program, or use other knock ports",
    errno.EACCES: "ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE",
    errno.EAFNOSUPPORT: "this host has no IPv6: use --interface 0.0.0.0",
    errno.EMFILE: "this process has no file descriptor left: raise LimitNOFILE= of the service "
    "(`ulimit -n` elsewhere)",
}


def _explain(error: OSError, interface: str) -> str:
    """Return why a socket cannot be had. No port is named: those are the secret."""
    return _REMEDIES.get(error.errno or 0) or f"{interface}: {error.strerror or error}"
