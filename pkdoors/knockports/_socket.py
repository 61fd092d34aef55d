"""One knock port: its socket, and the protocol that makes knocks of its datagrams."""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.host.socketfilter import attachFilter
from pkdoors.knockports._ordering import Reorderer
from pkdoors.knockports._recvmmsg import MOST, BatchReceiver, Datagram
from pkdoors.knocks.knock import Knock
from pkdoors.model.addresses import sourceAddress

_SO_MEMINFO = 55  # asm-generic/socket.h
_MEMINFO = struct.Struct("=9I")
_DROPS = 8  # SK_MEMINFO_DROPS; linux/sock_diag.h


class KnockProtocol(DatagramProtocol):
    """
    Makes knocks of the datagrams that come to one port, and hands them on.
    """

    noisy = False

    def __init__(self, port: int, hear: Callable[[list[Knock]], None]) -> None:
        self._port = port
        self._hear = hear

    def datagramReceived(self, datagram: bytes, address: tuple[str, int]) -> None:
        """A datagram came."""
        self.datagramsReceived([(address[0], datagram, 0)])

    def datagramsReceived(self, datagrams: Iterable[Datagram]) -> None:
        """Some datagrams came."""
        port, new = self._port, tuple.__new__  # not Knock(): under a flood its own way counts
        self._hear(
            [
                new(Knock, (sourceAddress(host) if ":" in host else host, port, datagram, stamp))
                for host, datagram, stamp in datagrams
            ]
        )


@implementer(IReadDescriptor)
class KnockSocket:
    """
    A bound UDP socket that only reads. Not Twisted's own port, because that writes its number
    into the log, and the numbers are the secret.
    """

    def __init__(self, bound: socket.socket, reorderer: Reorderer, receiver: BatchReceiver) -> None:
        self._socket = bound
        self._reorderer = reorderer
        self._receiver = receiver
        self._drops = 0  # as the kernel counts them
        self.last = 0  # when the last one came of those that were read
        self._protocol = KnockProtocol(bound.getsockname()[1], reorderer.add)

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "knock"

    def doRead(self) -> None:
        """Hand on what has come: as much as is read in one go, then the others have their turn."""
        if self.fileno() < 0:  # it was given back, and had more
            return
        try:
            datagrams = self._receiver.receive(self._socket)
        except OSError:  # nothing there, or an error that the network sent for the socket
            return
        self._protocol.datagramsReceived(datagrams)
        if len(datagrams) == MOST:
            self.last = datagrams[-1][2]
            self._reorderer.addUnfinished(self)

    def filter(self, program: bytes) -> None:
        """
        Hear only what a program of L{pkdoors.host.bpf} lets through, from now on; see
        L{attachFilter}.
        """
        attachFilter(self._socket, program)

    def newDrops(self) -> int:
        """
        How many datagrams the kernel has dropped here since this was last asked: those that were
        filtered, and those that found the buffer full. 0 where it does not tell.
        """
        before = self._drops
        with suppress(OSError):
            info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            self._drops = _MEMINFO.unpack(info)[_DROPS]
        return (self._drops - before) % 2**32

    def shared(self) -> AbstractContextManager[None]:
        """Meanwhile another socket of ours can take the same port, at another address."""
        return sharing(self._socket)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


@contextmanager
def sharing(bound: socket.socket) -> Iterator[None]:
    """
    Meanwhile other sockets of this user that are willing to share its port can take it at other
    addresses. C{SO_REUSEADDR} would allow that to everybody.
    """
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
