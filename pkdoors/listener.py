"""Knock ports: UDP sockets, and the protocol that makes knocks of their datagrams."""

import errno
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from ipaddress import ip_address

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.errors import ListenError
from pkdoors.inbox import Inbox
from pkdoors.knock import MAX_DATAGRAM, Knock, sourceAddress

READS_PER_TURN = 64
"""Datagrams that one port may hand on before the others, and the timers, have their turn."""

ANY = ("0.0.0.0", "::")
"""Every IPv4 and every IPv6 address."""

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)

Place = tuple[str, int]
"""A local address, and a port."""


class KnockProtocol(DatagramProtocol):
    """
    Makes knocks of the datagrams that come to one port, and hands them on.
    """

    noisy = False

    def __init__(self, port: int, hear: Callable[[Knock], None]) -> None:
        self._port = port
        self._hear = hear

    def datagramReceived(self, datagram: bytes, address: tuple[str, int]) -> None:
        """A datagram came."""
        self._hear(Knock(sourceAddress(address[0]), self._port, datagram))


@implementer(IReadDescriptor)
class KnockSocket:
    """
    A bound UDP socket that only reads. Not Twisted's own port, because that writes its number
    into the log, and the numbers are the secret.
    """

    def __init__(self, bound: socket.socket, inbox: Inbox) -> None:
        self._socket = bound
        self._inbox = inbox
        self._stamp = 0
        self._protocol = KnockProtocol(
            bound.getsockname()[1], lambda knock: inbox.put(self._stamp, knock)
        )

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "knock"

    def doRead(self) -> None:
        """Hand on what has come."""
        for _ in range(READS_PER_TURN):
            try:
                datagram, more, _, address = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY)
            except OSError:  # nothing left, or an error that the network sent for the socket
                return
            self._stamp = _stampOf(more)
            self._protocol.datagramReceived(datagram, address)
        self._inbox.putLast(self._stamp)

    def shared(self) -> AbstractContextManager[None]:
        """Meanwhile another socket of ours can take the same port, at another address."""
        return _sharing(self._socket)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


class Listener:
    """
    All knock ports, on all interfaces.

    @param interfaces: local addresses; empty for every IPv4 and, where the host has it, every
        IPv6 address.
    @param before: who listens until this one does: ports that both have are never let go.
    """

    def __init__(
        self,
        ports: Iterable[int],
        interfaces: Iterable[str] = (),
        before: "Listener | None" = None,
    ) -> None:
        self._ports = list(ports)
        self._interfaces = list(interfaces)
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
        kept = [place for place in self._places if place in self._before]
        self._reading = {place: self._before.pop(place) for place in kept}
        for place, bound in self._bound.items():
            self._reading[place] = KnockSocket(bound, inbox)
            reactor.addReader(self._reading[place])
        self._bound = {}
        for each in self._before.values():
            each.doRead()  # what came before
        _end(reactor, self._before)

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
        bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with _sharing(bound) if isShared else nullcontext():
            bound.bind(where[0][4])
    except OSError as error:
        bound.close()
        raise ListenError(_explain(error, interface, port)) from error
    return bound


def _stampOf(ancillary: list[tuple[int, int, bytes]]) -> int:
    """When the kernel got a datagram, in nanoseconds since 1970."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


@contextmanager
def _sharing(bound: socket.socket) -> Iterator[None]:
    """Meanwhile its port can be taken by others, who are willing to share it, too."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        yield
    finally:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


_REMEDIES = {
    errno.EADDRINUSE: "another program has it, `ss -lunp` tells which: end that or take another",
    errno.EACCES: "ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this host does not have that address, `ip address` lists those it has",
    errno.EAFNOSUPPORT: "this host has no IPv6: use --interface 0.0.0.0",
}


def _explain(error: OSError, interface: str, port: int) -> str:
    remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
    return f"cannot listen on knock port {port}/udp of {interface}: {remedy}"
