"""Knock ports: UDP sockets, and the protocol that makes knocks of their datagrams."""

import errno
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.errors import ListenError
from pkdoors.knock import MAX_DATAGRAM, Knock, sourceAddress

READS_PER_TURN = 64
"""Datagrams that one port may hand on before the others, and the timers, have their turn."""

ANY = ("0.0.0.0", "::")
"""Every IPv4 and every IPv6 address."""


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

    def __init__(self, bound: socket.socket, hear: Callable[[Knock], None]) -> None:
        self._socket = bound
        self._protocol = KnockProtocol(bound.getsockname()[1], hear)

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
                datagram, address = self._socket.recvfrom(MAX_DATAGRAM)
            except OSError:  # nothing left, or an error that the network sent for the socket
                return
            self._protocol.datagramReceived(datagram, address)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


class Listener:
    """
    All knock ports, on all interfaces.

    @param interfaces: local addresses; empty for every IPv4 and, where the host has it, every
        IPv6 address.
    """

    def __init__(self, ports: Iterable[int], interfaces: Iterable[str] = ()) -> None:
        self._ports = list(ports)
        self._interfaces = list(interfaces)
        self._bound: list[socket.socket] = []
        self._reading: list[KnockSocket] = []

    def bind(self) -> None:
        """
        Take the ports, all or none. Nothing is read yet.

        @raise ListenError: one of them cannot be listened on.
        """
        try:
            for interface in self._interfaces or (ANY if hasIPv6() else ANY[:1]):
                for port in self._ports:
                    self._bound.append(bindUDP(interface, port))
        except ListenError:
            self.close()
            raise

    def listen(self, reactor: IReactorFDSet, hear: Callable[[Knock], None]) -> None:
        """Begin to read: hand every knock to C{hear}."""
        self._reading = [KnockSocket(bound, hear) for bound in self._bound]
        self._bound = []
        for reading in self._reading:
            reactor.addReader(reading)

    def stop(self, reactor: IReactorFDSet) -> None:
        """Give the ports back."""
        for reading in self._reading:
            reactor.removeReader(reading)
            reading.connectionLost(Failure(ListenError("stopped")))
        self._reading = []
        self.close()

    def close(self) -> None:
        """Give back the ports that are not read yet."""
        for bound in self._bound:
            bound.close()
        self._bound = []


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


def bindUDP(interface: str, port: int) -> socket.socket:
    """
    A UDP socket on one port of one local address.

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
