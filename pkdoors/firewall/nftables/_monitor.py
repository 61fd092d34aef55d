"""Reports changes that others make to our table in the kernel's nftables."""

from collections.abc import Callable
from contextlib import suppress
from socket import SOL_SOCKET, socket

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.firewall.netlink.kernel import openNetlink
from pkdoors.firewall.netlink.messages import MAX_ANSWER
from pkdoors.firewall.nftables._notifications import NFTABLES_GROUP, Changes, ignoreOwn
from pkdoors.firewall.ways.forwards import Forwards
from pkdoors.host.socketfilter import attachFilter

READS_PER_TURN = 64
"""Messages that are read in one turn of the reactor: somebody may load a set of many thousands."""

BUFFER = 8 << 20
"""Bytes for the kernel's notifications of others' changes while the daemon is busy."""

_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1  # linux/socket.h, linux/netlink.h


def listenToNftables(port: int) -> socket:
    """
    Return a socket to which the kernel reports others' changes to nftables, for L{Changes}.

    @param port: the netlink port of our own changes.
    @raise FirewallError: the kernel has no nftables.
    """
    listening = openNetlink()
    with suppress(OSError):  # an unprivileged container may not set it
        listening.setsockopt(SOL_SOCKET, _RCVBUFFORCE, BUFFER)
    with suppress(OSError):  # without it, our own changes arrive, too, and are ignored
        attachFilter(listening, ignoreOwn(port))
    listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, NFTABLES_GROUP)
    return listening


@implementer(IReadDescriptor)
class NftablesMonitor:
    """
    Like C{nft monitor}, for one table.

    @param port: the netlink port of our own changes.
    @param onChanged: called with the name of the program that changed our table.
    @param onOverflow: called when the kernel reported more than the socket could hold: our table
        may have changed.
    @param onForwarding: called when the forwarded ports may have changed, or are about to.
    """

    def __init__(
        self,
        table: str,
        port: int,
        onChanged: Callable[[str], None],
        onOverflow: Callable[[], None],
        onForwarding: Callable[[], None],
    ) -> None:
        self._socket = listenToNftables(port)
        self._changes = Changes(table, port)
        self._onChanged = onChanged
        self._onOverflow = onOverflow
        self._onForwarding = onForwarding

    def attend(self, forwards: Forwards | None) -> None:
        """See L{Changes.attend}."""
        self._changes.attend(forwards)

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "nftables"

    def doRead(self) -> None:
        """Read what the kernel reports."""
        hasOverflowed = False
        for _ in range(READS_PER_TURN):
            try:
                names = self._changes.feed(self._socket.recv(MAX_ANSWER))
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: there was more than the socket could hold
                hasOverflowed = True
                continue
            if names:
                self._onChanged(names[-1])
        if self._changes.newForwarding():
            self._onForwarding()
        if hasOverflowed:
            self._onOverflow()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()

    def start(self, reactor: IReactorFDSet) -> None:
        """Begin to read."""
        reactor.addReader(self)

    def stop(self, reactor: IReactorFDSet) -> None:
        """Stop reading, and close the socket."""
        reactor.removeReader(self)
        self._socket.close()
