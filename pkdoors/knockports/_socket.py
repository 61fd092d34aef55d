"""One knock port: its socket, and the protocol that turns its datagrams into knocks."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.host.socketfilter import attachFilter, readDrops
from pkdoors.knockports._ordering import KnockHandler, Reorderer
from pkdoors.knockports._recvmmsg import MOST, BatchReceiver, Datagram
from pkdoors.knocks.knock import Knock
from pkdoors.model.addresses import normalizeSource
from pkdoors.model.knockports import KnockPort


class KnockProtocol(DatagramProtocol):
    """
    Turns the datagrams that come to one port into knocks, and hands them on.
    """

    noisy = False

    def __init__(self, port: KnockPort, handle: KnockHandler) -> None:
        self._port = port
        self._handle = handle

    def datagramReceived(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Hand on the knock in one datagram."""
        self.datagramsReceived([(address[0], datagram, 0)])

    def datagramsReceived(self, datagrams: Iterable[Datagram]) -> None:
        """Hand on the knocks in some datagrams."""
        port, new = self._port, tuple.__new__  # not Knock(): slower, which counts under a flood
        self._handle(
            [
                new(Knock, (normalizeSource(host) if ":" in host else host, port, datagram, stamp))
                for host, datagram, stamp in datagrams
            ]
        )


@implementer(IReadDescriptor)
class KnockSocket:
    """
    A bound UDP socket that only reads. It is not Twisted's own port, because that writes its number
    into the log, and the numbers are the secret.

    @ivar last: when the kernel received the datagram that was read last, in nanoseconds since 1970.
    """

    def __init__(self, udp: socket.socket, reorderer: Reorderer, receiver: BatchReceiver) -> None:
        self._socket = udp
        self._family = udp.family
        self._reorderer = reorderer
        self._receiver = receiver
        self._drops = 0  # as the kernel counts them
        self._program: bytes | None = None  # its filter; L{None} if that is unknown
        self.last = 0
        self._protocol = KnockProtocol(udp.getsockname()[1], reorderer.add)

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "knock"

    def doRead(self) -> None:
        """Hand on what has come, as much as one call reads; then other ports get their turn."""
        if self.fileno() < 0:  # it was closed while it had more
            return
        try:
            datagrams = self._receiver.receive(self._socket, self._family)
        except OSError:  # nothing has come, or the network reports an error
            return
        self._protocol.datagramsReceived(datagrams)
        if len(datagrams) == MOST:
            self.last = datagrams[-1][2]
            self._reorderer.addUnfinished(self)

    def filter(self, program: bytes) -> None:
        """
        Hear only what a program of L{pkdoors.host.bpf} accepts from now on; see L{attachFilter}.
        """
        if program != self._program:
            self._program = None
            attachFilter(self._socket, program)
            self._program = program

    def newDrops(self) -> int:
        """
        Return how many datagrams the kernel has dropped here since the last call: those that it
        filtered, and those that found the buffer full; 0 if the kernel does not count them.
        """
        before = self._drops
        with suppress(OSError):
            self._drops = readDrops(self._socket)
        return (self._drops - before) % 2**32

    def shared(self) -> AbstractContextManager[None]:
        """Allow another socket of ours to bind the same port at another address meanwhile."""
        return sharing(self._socket)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


@contextmanager
def sharing(udp: socket.socket) -> Iterator[None]:
    """
    Allow other sockets of this user that are also shared to bind the same port at other addresses
    meanwhile. C{SO_REUSEADDR} would allow that to everybody.
    """
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
