"""How many connections to the admin socket there may be, and whose: a bound for memory and time."""

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

INTERVAL = 60.0
"""Seconds between two lines about refusals, at least."""


class Peer(NamedTuple):
    """The process at the other end of a connection, as it was when it connected."""

    user: int
    process: int


class Connection(Protocol):
    """One of the connections."""

    peer: Peer
    descriptor: int

    def drop(self) -> None:
        """End now."""


class Connections:
    """
    All connections. When there are too many, the oldest one of the process that has most makes room
    for one of a process that has fewer, and never one of root's for another user's: whoever fills
    the socket, by mistake or through a port that leads there, does not lock root out.

    @param seconds: a clock that does not jump.
    """

    _log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._all: list[Connection] = []  # the oldest first
        self._most = MAX_CONNECTIONS  # fewer while descriptors are lacking
        self._refused = 0
        self._nextLine = 0.0

    def admit(self, new: Connection) -> str:
        """Take a connection in; or say why it cannot be."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit != resource.RLIM_INFINITY and new.descriptor >= limit - RESERVE:
            self._most = max(1, min(self._most, len(self._all)))
        if len(self._all) >= self._most:
            many = f"{self._most} connections to the admin socket, which is the most"
            few = self._most < MAX_CONNECTIONS
            refusal = self._refusal(f"{many} with {limit} open files" if few else many)
            dispensable = self._dispensable(new.peer)
            if dispensable is None:
                return refusal
            self._all.remove(dispensable)
            dispensable.drop()
        self._all.append(new)
        return ""

    def ended(self, connection: Connection) -> None:
        """One is no more."""
        if connection in self._all:
            self._all.remove(connection)
        if not self._all:
            self._most = MAX_CONNECTIONS

    def _dispensable(self, peer: Peer) -> Connection | None:
        counts = Counter(each.peer for each in self._all)
        fewer = [
            each
            for each in self._all
            if counts[each.peer] > counts[peer] and (each.peer.user != 0 or peer.user == 0)
        ]
        if not fewer:
            return None
        return max(fewer, key=lambda each: (each.peer.user != 0, counts[each.peer]))

    def _refusal(self, reason: str) -> str:
        self._refused += 1
        if self._seconds() >= self._nextLine:
            self._nextLine = self._seconds() + INTERVAL
            count, self._refused = self._refused, 0
            self._log.warn(
                "{reason}: {count} refused or dropped; see who connects, `ss -xp | grep admin`",
                reason=reason,
                count=count,
            )
        return f"{reason}: try again"


def peerOf(transport: Any) -> Peer:
    """Return who is at the other end of a UNIX connection; C{unix(7)}, SO_PEERCRED."""
    credentials = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process, user, _ = struct.unpack("iII", credentials)
    return Peer(user, process)
