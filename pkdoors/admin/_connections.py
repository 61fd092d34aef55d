"""
How many connections the admin socket takes, and from whom: a bound for memory, time and file
descriptors.
"""

import resource
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from twisted.logger import Logger

MAX_CONNECTIONS = 128
"""At a time; each takes up to 0.2 MB."""

RESERVE = 32
"""File descriptors that connections leave to the firewall, files and hooks."""

LINE_INTERVAL = 60.0
"""Seconds between two log lines about the same lack, at least."""


class Peer(NamedTuple):
    """The process at the other end of a connection, as it was when it connected."""

    user: int
    process: int


class Connection(Protocol):
    """One of the connections."""

    peer: Peer
    descriptor: int

    def drop(self) -> None:
        """Abort it."""


class Connections:
    """
    All connections. When there are too many, the process that has most loses its oldest one to a
    process that has fewer, and root never loses one to another user: a client that fills the
    socket, by mistake or through a forwarded port, does not lock root out.

    @param seconds: a clock that does not jump.
    @param most: how many there may be at a time.
    @param name: what the socket is called.
    """

    _log = Logger()

    def __init__(
        self,
        seconds: Callable[[], float],
        most: int = MAX_CONNECTIONS,
        name: str = "the admin socket",
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._name = name
        self._all: list[Connection] = []  # the oldest first
        self._limit = most  # lower while descriptors are scarce
        self._refused = 0
        self._nextLine = 0.0

    def admit(self, new: Connection) -> str:
        """Admit a connection and return an empty string, or return why it is refused."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The kernel gives the lowest free number: a high one says that few are left.
        if files != resource.RLIM_INFINITY and new.descriptor >= files - RESERVE:
            self._limit = max(1, min(self._limit, len(self._all)))
        if len(self._all) >= self._limit:
            reason = f"{self._limit} connections to {self._name}, which is the limit"
            isLowered = self._limit < self._most
            refusal = self._report(f"{reason} with {files} open files" if isLowered else reason)
            dispensable = self._findDispensable(new.peer)
            if dispensable is None:
                return refusal
            self._all.remove(dispensable)
            dispensable.drop()
        self._all.append(new)
        return ""

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection in self._all:
            self._all.remove(connection)
        if not self._all:
            self._limit = self._most

    def _findDispensable(self, peer: Peer) -> Connection | None:
        counts = Counter(connection.peer for connection in self._all)
        candidates = [
            connection
            for connection in self._all
            if counts[connection.peer] > counts[peer]
            and (connection.peer.user != 0 or peer.user == 0)
        ]
        if not candidates:
            return None
        # Of equal ones max() returns the first, which is the oldest.
        return max(candidates, key=lambda found: (found.peer.user != 0, counts[found.peer]))

    def _report(self, reason: str) -> str:
        self._refused += 1
        if self._seconds() >= self._nextLine:
            self._nextLine = self._seconds() + LINE_INTERVAL
            count, self._refused = self._refused, 0
            self._log.warn(
                "{reason}: {count} refused or dropped; `ss -xp | grep pkdoors` shows who connects",
                reason=reason,
                count=count,
            )
        return f"{reason}: try again"


def findPeer(transport: Any) -> Peer:
    """Return the process at the other end of a UNIX connection; C{unix(7)}, SO_PEERCRED."""
    credentials = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process, user, _ = struct.unpack("iII", credentials)
    return Peer(user, process)
