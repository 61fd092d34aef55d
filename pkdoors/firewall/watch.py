"""Watches the kernel's nftables for changes that others make to our table."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from socket import SOL_SOCKET, socket

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.firewall.kernel import netlink
from pkdoors.nfevents import NFTABLES_GROUP, Changes
from pkdoors.nfnetlink import MAX_ANSWER

READS_PER_TURN = 64
"""Messages read before the knocks have their turn: others may load sets of many thousand."""

BUFFER = 8 << 20
"""Bytes for what the kernel tells while we are busy: a thousand openings of our own are a megabyte,
and where it overflows we have to take it that somebody changed something."""

_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1  # linux/socket.h, linux/netlink.h


def listenToNftables() -> socket:
    """
    A socket on which the kernel tells of every change to nftables, for L{Changes}.

    @raise FirewallError: there is no nftables.
    """
    listening = netlink()
    with suppress(OSError):  # in a container of a user's it may not be
        listening.setsockopt(SOL_SOCKET, _RCVBUFFORCE, BUFFER)
    listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, NFTABLES_GROUP)
    return listening


@implementer(IReadDescriptor)
class Watch:
    """
    @param changed: called with the name of who changed our table.
    """

    def __init__(self, table: str, changed: Callable[[str], None]) -> None:
        self._socket = listenToNftables()
        self._changes = Changes(table, Path("/proc/self/comm").read_text().rstrip("\n"))
        self._changed = changed

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "nftables"

    def doRead(self) -> None:
        """Read what the kernel told."""
        for _ in range(READS_PER_TURN):
            try:
                names = self._changes.feed(self._socket.recv(MAX_ANSWER))
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: it told more than the socket could hold
                names = ["somebody"]
            if names:
                self._changed(names[-1])

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()

    def start(self, reactor: IReactorFDSet) -> None:
        """Begin to watch."""
        reactor.addReader(self)

    def stop(self, reactor: IReactorFDSet) -> None:
        """End it."""
        reactor.removeReader(self)
        self._socket.close()
