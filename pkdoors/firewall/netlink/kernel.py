"""A netlink connection to the kernel's firewall."""

import errno
import os
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.messages import (
    DONE,
    DUMP_INTERRUPTED,
    ERROR,
    FAMILY,
    MAX_ANSWER,
    NETLINK_NETFILTER,
    firstError,
    readErrno,
    splitMessages,
)

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
_TRIES = 5
"""How often a dump is tried if changes interrupt it."""
QUESTIONS = 50
"""Questions in one message: their answers fit into the buffer of a container that may not enlarge
it."""


class GuardGone(FirewallError):
    """Our table, or a set in it, is not in the kernel any more."""


class SetFull(FirewallError):
    """A set of ours has reached its maximum size."""


class ElementThere(FirewallError):
    """A set of ours has an element already that was to be new."""


class NotPermitted(FirewallError):
    """The kernel refused: no privilege, or the table has another owner."""


def openNetlink() -> socket.socket:
    """
    Return a nonblocking socket to the kernel's firewall.

    @raise FirewallError: the kernel has no nftables.
    """
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    try:
        connection = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        connection.bind((0, 0))
    except OSError as error:
        raise FirewallError(NO_NFTABLES.format(reason=error.strerror)) from error
    return connection


def checkPrivilege() -> None:
    """
    Check that this process is allowed to change the firewall. libnftables does not inform its
    caller: it writes to the terminal, or even ends the process.

    @raise FirewallError: it is not allowed to.
    """
    if not mayAdminister(Path("/proc/self/status").read_text()):
        raise FirewallError(NO_PRIVILEGE)


class Kernel:
    """
    A connection to the kernel's firewall. While another thread makes changes, the thread that has
    opened it can ask, through another socket.

    @param connection: the socket; if L{None}, a new one is opened.
    @param asking: the socket for the questions of the present thread; if L{None}, the same one.
    @ivar lock: held while the socket for changes is used.
    @raise FirewallError: the kernel has no nftables, or this process is not allowed to change it.
    """

    def __init__(
        self, connection: socket.socket | None = None, asking: socket.socket | None = None
    ) -> None:
        checkPrivilege()
        self._socket = connection or openNetlink()
        self._asking = asking or self._socket
        self._asker = threading.get_ident()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """The netlink port, by which the kernel names the owner of a table, and who changed it."""
        port: int = self._socket.getsockname()[0]
        return port

    def transact(self, batch: bytes) -> None:
        """
        Have the kernel execute a batch of L{pkdoors.firewall.netlink.messages} as one transaction.

        @raise FirewallError: the kernel did nothing; L{GuardGone} if our table is missing,
            L{NotPermitted} if it belongs to somebody else.
        """
        try:
            number = firstError(self._exchange(batch))
        except OSError as error:
            number = error.errno or errno.EIO
        if number:
            raise errorFor(number)

    def dump(self, question: bytes) -> list[tuple[int, bytes]]:
        """
        Return the kernel's answer to a question: the kind and the attributes of each message. It is
        empty if the thing does not exist.

        @raise FirewallError: the kernel refused, or changes interrupted the answer too often.
        """
        for _ in range(_TRIES):
            answer, isWhole = self.tryDump(question)
            if isWhole:
                return answer
        raise FirewallError("nftables changes too fast to be read: pkdoors tries again")

    def tryDump(self, question: bytes) -> tuple[list[tuple[int, bytes]], bool]:
        """
        Do what L{dump} does, but only once.

        @return: the answer, and whether no changes have interrupted it: otherwise something can be
            missing that is there all the time, though that is rare.
        @raise FirewallError: the kernel refused.
        """
        try:
            answer = list(splitMessages(self._ask(question)))
        except OSError as error:
            raise errorFor(error.errno or errno.EIO) from error
        # The end of a dump says whether it is complete.
        codes = (readErrno(body) for kind, _, body in answer if kind in (ERROR, DONE))
        number = next(filter(None, codes), 0)
        if number == errno.ENOENT:
            return [], True
        if number and number != errno.EINTR:
            raise errorFor(number)
        isWhole = not number and not any(flags & DUMP_INTERRUPTED for _, flags, _ in answer)
        return [(kind, body[FAMILY.size :]) for kind, _, body in answer if kind > 0xFF], isWhole

    def find(self, questions: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """
        Return the answers to questions for one thing each, as L{dump} does. There is none for a
        thing that does not exist.

        @raise FirewallError: the kernel refused.
        """
        found = []
        for first in range(0, len(questions), QUESTIONS):
            try:
                answer = self._ask(b"".join(questions[first : first + QUESTIONS]))
            except OSError as error:
                raise errorFor(error.errno or errno.EIO) from error
            for kind, _, body in splitMessages(answer):
                if kind > 0xFF:
                    found.append((kind, body[FAMILY.size :]))
                elif kind == ERROR and readErrno(body) not in (0, errno.ENOENT):
                    raise errorFor(readErrno(body))
        return found

    def _exchange(self, batch: bytes) -> bytes:
        with self.lock:
            return _exchange(self._socket, batch)

    def _ask(self, question: bytes) -> bytes:
        if self._asking is self._socket or threading.get_ident() != self._asker:
            return self._exchange(question)
        return _exchange(self._asking, question)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._asking.close()


_idle: list[Kernel] = []


@contextmanager
def borrowKernel() -> Iterator[Kernel]:
    """
    Lend a connection for questions, to any thread. It cannot change what this process owns.

    The connection stays open for the next borrower. When a process closes one, the kernel first
    frees what the last change has left, for 20 ms and more, and lets no other change begin
    meanwhile (C{nft_rcv_nl_event} in Linux's C{nf_tables_api.c}): no knock could open a door.

    @raise FirewallError: see L{Kernel}.
    """
    try:
        kernel = _idle.pop()  # at once, since another thread may take the last one
    except IndexError:
        kernel = Kernel()
    try:
        yield kernel
    finally:
        _idle.append(kernel)


def _exchange(connection: socket.socket, batch: bytes) -> bytes:
    """
    Send messages, and return the answer.

    @raise OSError: that failed; nothing of the answer is left.
    """
    try:
        connection.send(batch)
        parts = []
        with suppress(BlockingIOError):  # the whole answer is there when send() returns
            while True:
                parts.append(connection.recv(MAX_ANSWER))
        return b"".join(parts)
    except OSError:
        _drain(connection)  # otherwise the rest of this answer would count as the next one's
        raise


def _drain(connection: socket.socket) -> None:
    for _ in range(1000):
        try:
            connection.recv(MAX_ANSWER)
        except BlockingIOError:
            return
        except OSError:  # it overflowed; the rest can be read
            continue


def errorFor(number: int) -> FirewallError:
    """Return the error that explains an errno of the kernel's."""
    kinds: dict[int, type[FirewallError]] = {
        errno.ENOENT: GuardGone,
        errno.EPERM: NotPermitted,
        errno.EEXIST: ElementThere,
        errno.ENFILE: SetFull,
    }
    reason = _REASONS.get(number, f"nftables refused: {os.strerror(number)}")
    return kinds.get(number, FirewallError)(reason)


def mayAdminister(status: str) -> bool:
    """
    Return whether a process has the capability CAP_NET_ADMIN; C{capabilities(7)}.

    @param status: its C{/proc/PID/status}; C{proc(5)}.
    """
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return effective is not None and bool(int(effective[1], 16) >> _CAP_NET_ADMIN & 1)
