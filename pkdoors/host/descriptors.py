"""
How many files and sockets this process may have open; C{RLIMIT_NOFILE} of C{getrlimit(2)}.
"""

import fcntl
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

RESERVE = 256
"""Descriptors that knock ports leave to all else: the operator's connections, the firewall, D-Bus,
hooks, files. If the limit is very low, they leave half of it."""

LOW = 1024
"""Descriptors from here on are of no use to a library that calls C{select(2)}: libnftables ends the
process when it gets one. So if there are many knock ports, their sockets go above it."""


SPARE = 4
"""Descriptors of a L{Spare}: files and sockets are opened few at a time."""


class Spare:
    """
    Some descriptors that are held for work which must not fail for want of one; few or none if the
    limit is so low that the start needs them.
    """

    def __init__(self) -> None:
        self._held: list[int] = []
        self._size = min(SPARE, getLimit() // 16)
        self._fill()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Let go of them meanwhile."""
        self.close()
        try:
            yield
        finally:
            self._fill()

    def close(self) -> None:
        """Let go of them."""
        while self._held:
            os.close(self._held.pop())

    def _fill(self) -> None:
        with suppress(OSError):  # somebody else was faster: next time, perhaps
            while len(self._held) < self._size:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def raiseLimit() -> None:
    """Have as many as the administrator allows; programs are started with fewer, by custom."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def getLimit() -> int:
    """Return how many this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def getSocketRoom() -> int:
    """Return how many of them can be sockets of knock ports."""
    most = getLimit()
    return most - min(RESERVE, most // 2)


def computeLimit(sockets: int) -> int:
    """Return the limit that this many sockets of knock ports need."""
    return sockets + RESERVE


def moveUp(bound: socket.socket) -> socket.socket:
    """Give a socket a descriptor above L{LOW}; return it as it is if there is none left."""
    try:
        high = fcntl.fcntl(bound, fcntl.F_DUPFD_CLOEXEC, LOW)
    except (OSError, ValueError):
        return bound
    moved = socket.socket(bound.family, bound.type, bound.proto, fileno=high)
    moved.setblocking(bound.getblocking())
    bound.close()
    return moved
