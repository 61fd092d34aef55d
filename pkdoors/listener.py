"""The knock ports: which there are, who takes them, and who has them after another."""

import errno
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, nullcontext
from ipaddress import ip_address
from types import MappingProxyType

from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import ListenError
from pkdoors.inbox import Inbox
from pkdoors.knock import MAX_DATAGRAM
from pkdoors.knocksocket import KnockSocket, sharing
from pkdoors.receiving import SO_TIMESTAMPNS, Receiver

ANY = ("0.0.0.0", "::")
"""Every IPv4 and every IPv6 address."""

BUFFER = 1 << 20
"""Bytes that a socket holds for us while we are busy, as far as the host's net.core.rmem_max lets:
some hundred knocks, each of which the kernel counts as nearly a kilobyte. Not more, or under a
flood that is too much for us an honest knock would wait for all that is before it."""

NO_FILTERS: Mapping[int, bytes] = MappingProxyType({})

Place = tuple[str, int]
"""A local address, and a port."""


class Listener:
    """
    All knock ports, on all interfaces.

    @param interfaces: local addresses; empty for every IPv4 and, where the host has it, every
        IPv6 address.
    @param before: who listens until this one does: ports that both have are never let go.
    @param filters: for each port, the program of L{pkdoors.bpf} that says what is heard there; a
        port that has none hears everything.
    """

    _log = Logger()

    def __init__(
        self,
        ports: Iterable[int],
        interfaces: Iterable[str] = (),
        before: "Listener | None" = None,
        filters: Mapping[int, bytes] = NO_FILTERS,
    ) -> None:
        self._ports = list(ports)
        self._interfaces = list(interfaces)
        self._filters = filters
        self._missed = 0  # datagrams that ports dropped which are not ours any more
        self._follows = before
        self._before: dict[Place, KnockSocket] = before._reading if before else {}
        self._places: list[Place] = []
        self._bound: dict[Place, socket.socket] = {}
        self._reading: dict[Place, KnockSocket] = {}

    def bind(self) -> None:
        """
        Take the ports, all or none, but for those of who listens until now. Nothing is read yet.

        @raise ListenError: one of them cannot be listened on.
        """
        self._places = self._findPlaces()
        try:
            for place in self._places:
                if place not in self._before:
                    self._bound[place] = self._take(*place)
        except ListenError:
            self.close()
            raise

    def _findPlaces(self) -> list[Place]:
        interfaces = self._interfaces or (ANY if hasIPv6() else ANY[:1])
        return [(interface, port) for interface in interfaces for port in self._ports]

    def _take(self, interface: str, port: int) -> socket.socket:
        """A port that is ours already, at other addresses, is shared while it is taken."""
        ours = [each for place, each in self._before.items() if place[1] == port]
        with ExitStack() as stack:
            for each in ours:
                stack.enter_context(each.shared())
            return bindUDP(interface, port, bool(ours))

    def listen(self, reactor: IReactorFDSet, inbox: Inbox) -> None:
        """Begin to read. Ports that are not wanted any more go."""
        if self._follows is not None:
            self._missed = self._follows.takeDrops()
            self._follows = None
        receiver = Receiver(MAX_DATAGRAM)
        kept = [place for place in self._places if place in self._before]
        self._reading = {place: self._before.pop(place) for place in kept}
        for place, bound in self._bound.items():
            self._reading[place] = KnockSocket(bound, inbox, receiver)
            reactor.addReader(self._reading[place])
        self._bound = {}
        self._filter()
        for each in self._before.values():
            each.doRead()  # what came before
            self._missed += each.takeDrops()
        _end(reactor, self._before)

    def _filter(self) -> None:
        """Have the kernel drop what is no knock. Where it will not, all works without."""
        try:
            for (_, port), each in self._reading.items():
                if port in self._filters:
                    each.filter(self._filters[port])
        except OSError as error:
            self._log.warn(
                "this kernel does not filter datagrams for the knock ports ({reason}): all works "
                "without, but a flood of junk costs more",
                reason=error.strerror,
            )

    def takeDrops(self) -> int:
        """How many datagrams the kernel has dropped at our ports since this was last asked."""
        missed, self._missed = self._missed, 0
        return missed + sum(each.takeDrops() for each in self._reading.values())

    def stop(self, reactor: IReactorFDSet) -> None:
        """Give the ports back."""
        _end(reactor, self._reading)
        self.close()

    def close(self) -> None:
        """Give back the ports that are not read yet."""
        for bound in self._bound.values():
            bound.close()
        self._bound = {}


def _end(reactor: IReactorFDSet, reading: dict[Place, KnockSocket]) -> None:
    while reading:
        _, each = reading.popitem()
        reactor.removeReader(each)
        each.connectionLost(Failure(ListenError("stopped")))


def hasIPv6() -> bool:
    """Whether this host has IPv6: the kernel may lack it, or be told not to use it."""
    try:
        bindUDP("::", 0).close()
    except ListenError:
        return False
    return True


def isFree(port: int) -> bool:
    """Whether a UDP port can be listened on, on all addresses."""
    listener = Listener([port])
    try:
        listener.bind()
    except ListenError:
        return False
    listener.close()
    return True


def bindUDP(interface: str, port: int, isShared: bool = False) -> socket.socket:
    """
    A UDP socket on one port of one local address.

    @param isShared: whether sockets may have it that are willing to share it.
    @raise ListenError: the port is taken, or may not be, or the address is not of this host.
    """
    version = ip_address(interface.partition("%")[0]).version
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise ListenError(_explain(error, interface, port)) from error
    try:
        if version == 6:  # IPv4 has a socket of its own
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        where = socket.getaddrinfo(
            interface, port, family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        with sharing(bound) if isShared else nullcontext():
            bound.bind(where[0][4])
    except OSError as error:
        bound.close()
        raise ListenError(_explain(error, interface, port)) from error
    return bound


_REMEDIES = {
    errno.EADDRINUSE: "another program has it, `ss -lunp` tells which: end that or take another",
    errno.EACCES: "ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this host does not have that address, `ip address` lists those it has",
    errno.EAFNOSUPPORT: "this host has no IPv6: use --interface 0.0.0.0",
}


def _explain(error: OSError, interface: str, port: int) -> str:
    remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    return f"cannot listen on knock port {port}/udp of {interface}: {remedy}"
