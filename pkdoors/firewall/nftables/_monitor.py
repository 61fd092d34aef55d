"""Watches the kernel's nftables for changes that others make to our table."""

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
"""Messages read before the knocks have their turn: others may load sets of many thousand."""

BUFFER = 8 << 20
"""Bytes for what the kernel tells of others' changes while we are busy."""

_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1  # linux/socket.h, linux/netlink.h


def listenToNftables(port: int) -> socket:
    """
    Return a socket on which the kernel tells of others' changes to nftables, for L{Changes}.

    @param port: the netlink port by which we change something ourselves.

    @raise FirewallError: there is no nftables.
    """
    listening = openNetlink()
    with suppress(OSError):  # in a container of a user's it may not be
        listening.setsockopt(SOL_SOCKET, _RCVBUFFORCE, BUFFER)
    with suppress(OSError):  # without it, our own are read in vain
        attachFilter(listening, ignoreOwn(port))
    listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, NFTABLES_GROUP)
    return listening


@implementer(IReadDescriptor)
class NftablesMonitor:
    """
    @param port: the netlink port by which we change something ourselves.
    @param changed: called with the name of the program that changed our table.
    @param unsure: called when more was told than the socket could hold: perhaps our table changed.
    @param moved: called when what is forwarded may have changed, by then or soon.
    """

    def __init__(
        self,
        table: str,
        port: int,
        changed: Callable[[str], None],
        unsure: Callable[[], None],
        moved: Callable[[], None],
    ) -> None:
        self._socket = listenToNftables(port)
        self._changes = Changes(table, port)
        self._changed = changed
        self._unsure = unsure
        self._moved = moved

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
        """Read what the kernel told."""
        isUnsure = False
        for _ in range(READS_PER_TURN):
            try:
                names = self._changes.feed(self._socket.recv(MAX_ANSWER))
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: it told more than the socket could hold
                isUnsure = True
                continue
            if names:
                self._changed(names[-1])
        if self._changes.takeMoved():
            self._moved()
        if isUnsure:
            self._unsure()

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
