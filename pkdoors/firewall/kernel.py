"""A netlink connection to the kernel's nftables."""

import errno
import os
import re
import socket
from contextlib import suppress
from pathlib import Path

from pkdoors.errors import FirewallError
from pkdoors.nfnetlink import MAX_ANSWER, NETLINK_NETFILTER, errorOf

NO_NFTABLES = (
    "this kernel has no nftables ({reason}): load its module (modprobe nf_tables), "
    "or run a kernel that has it"
)
NO_PRIVILEGE = (
    "no privilege to change the firewall (nftables): run as root, "
    "or with the capability CAP_NET_ADMIN"
)
_REASONS = {
    errno.ENFILE: "too many openings: a set of the guard is full",
    errno.ENOENT: "the guard is gone (somebody flushed nftables): pkdoors puts it back",
    errno.EPERM: NO_PRIVILEGE,
}
_CAP_NET_ADMIN = 12  # linux/capability.h


class GuardGone(FirewallError):
    """Our table, or a set of it, is not in the kernel any more."""


def netlink() -> socket.socket:
    """
    A socket to the kernel's firewall, on which nothing blocks.

    @raise FirewallError: there is no nftables.
    """
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    try:
        connection = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        connection.bind((0, 0))
    except OSError as error:
        raise FirewallError(NO_NFTABLES.format(reason=error.strerror)) from error
    return connection


class Kernel:
    """
    @raise FirewallError: there is no nftables, or this process may not change it. libnftables does
        not tell its caller either: it writes to the terminal, or even ends the process.
    """

    def __init__(self) -> None:
        if not mayAdminister(Path("/proc/self/status").read_text()):
            raise FirewallError(NO_PRIVILEGE)
        self._socket = netlink()

    def _reopen(self) -> None:
        self.close()
        self._socket = netlink()

    def transact(self, batch: bytes) -> None:
        """
        Have the kernel do a batch of L{pkdoors.nfnetlink}, at once.

        @raise FirewallError: it did nothing of it; L{GuardGone} where our table is missing.
        """
        try:
            number = errorOf(self._exchange(batch))
        except OSError as error:
            number = error.errno or errno.EIO
            self._reopen()  # or what is left of this answer would be taken for the next one's
        if number:
            kind = GuardGone if number == errno.ENOENT else FirewallError
            raise kind(_REASONS.get(number, f"nftables refused: {os.strerror(number)}"))

    def ask(self, question: bytes) -> bytes:
        """
        The kernel's answer to a question; empty where it gives none.
        """
        try:
            return self._exchange(question)
        except OSError:
            self._reopen()
            return b""

    def _exchange(self, batch: bytes) -> bytes:
        self._socket.send(batch)
        answer = b""
        with suppress(BlockingIOError):  # all of the answer is there when send() returns
            while True:
                answer += self._socket.recv(MAX_ANSWER)
        return answer

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def mayAdminister(status: str) -> bool:
    """
    Whether a process has the capability CAP_NET_ADMIN; C{capabilities(7)}.

    @param status: its C{/proc/PID/status}; C{proc(5)}.
    """
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return effective is not None and bool(int(effective[1], 16) >> _CAP_NET_ADMIN & 1)
