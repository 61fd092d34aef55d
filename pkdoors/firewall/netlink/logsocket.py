"""The socket that receives the packets of one group of the kernel's packet log."""

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.kernel import checkPrivilege, openNetlink
from pkdoors.firewall.netlink.messages import ERROR, readErrno, splitMessages
from pkdoors.firewall.netlink.packetlog import bindGroup, setUpGroup
from pkdoors.host.socketfilter import readDrops

FIRST_GROUP, GROUPS = 50_017, 50
"""The groups that we try. Other programs, such as ulogd, use low numbers."""
BUFFER = 8 << 20
"""Bytes that the socket holds for us while we are busy; the kernel doubles this number, and counts
nearly a kilobyte for each knock. So an honest knock waits for some ten thousand others at most."""

_SIZE = 4096  # of one read: the copied part of a packet, and what the kernel says of it
_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_NETLINK, _NO_ENOBUFS = 270, 5  # linux/socket.h, linux/netlink.h
_TRIES = 1000  # packets that may come before the kernel's answer


class LogSocket:
    """
    @ivar group: the number for a rule's C{log group}.
    @raise FirewallError: the kernel has no packet log, or this process may not read it.
    """

    def __init__(self, open_: Callable[[], socket.socket] = openNetlink) -> None:
        checkPrivilege()
        self._socket = open_()
        try:
            self._setUp()
            self.group = self._bind()
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor; -1 if the socket is closed."""
        return self._socket.fileno()

    def receive(self) -> bytes:
        """
        Return what has come next: the message about one packet, usually.

        @raise OSError: nothing has come.
        """
        return self._socket.recv(_SIZE)

    def countDrops(self) -> int:
        """Return how many messages found the buffer full, modulo 2**32; 0 if nobody counts them."""
        with suppress(OSError):
            return readDrops(self._socket)
        return 0

    def close(self) -> None:
        """Close the socket; the kernel then gives the group back."""
        self._socket.close()

    def _setUp(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, BUFFER)
        except OSError:  # an unprivileged container may not set it
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        # Otherwise, after an overflow, the kernel would send nothing more until we have read
        # everything: under a flood, we would be deaf.
        self._socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)

    def _bind(self) -> int:
        for group in range(FIRST_GROUP, FIRST_GROUP + GROUPS):
            number = self._ask(bindGroup(group))
            if number == errno.EPERM:  # another program has it
                continue
            number = number or self._ask(setUpGroup(group))
            if number:
                raise FirewallError(_explain(number))
            return group
        raise FirewallError(
            f"all groups of the kernel's packet log from {FIRST_GROUP} to "
            f"{FIRST_GROUP + GROUPS - 1} are taken: use --listen sockets"
        )

    def _ask(self, message: bytes) -> int:
        """Send a message. Return the errno of its answer; 0 for success."""
        try:
            self._socket.send(message)
            for _ in range(_TRIES):  # rules of an earlier daemon may log packets already
                for kind, _, body in splitMessages(self._socket.recv(_SIZE)):
                    if kind == ERROR:
                        return readErrno(body)
        except OSError as error:
            return error.errno or errno.EIO
        return errno.EPROTO


class PacketLog:
    """
    One group of the packet log, which is bound when somebody needs it. The guard's rules need its
    number before anybody reads it.

    @param makeSocket: binds a group.
    """

    def __init__(self, makeSocket: Callable[[], LogSocket] = LogSocket) -> None:
        self._makeSocket = makeSocket
        self._socket: LogSocket | None = None

    def check(self) -> None:
        """
        Check that a group can be bound. Nothing stays open.

        @raise FirewallError: it cannot.
        """
        self._makeSocket().close()

    def open(self) -> LogSocket:
        """
        Return the socket, which is opened the first time.

        @raise FirewallError: no group can be bound.
        """
        if self._socket is None:
            self._socket = self._makeSocket()
        return self._socket

    def close(self) -> None:
        """Give the group back."""
        if self._socket is not None:
            self._socket.close()


def _explain(number: int) -> str:
    reason = os.strerror(number)
    return (
        f"this kernel has no packet log ({reason}): load its module (modprobe nfnetlink_log), "
        "or use --listen sockets"
    )
