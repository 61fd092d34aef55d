"""
The limit of open files and sockets in this process; C{RLIMIT_NOFILE} of C{getrlimit(2)}.
"""

import fcntl
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

RESERVE = 256
"""Descriptors that knock ports leave to other uses: the operator's connections, the firewall,
D-Bus, hooks, files. If the limit is very low, they leave half of it."""

LOW = 1024
"""A library that calls C{select(2)} cannot use descriptors from here on: libnftables ends the
process if it gets one. So if there are many knock ports, their sockets go above it."""


SPARE = 4
"""Descriptors of a L{Spare}: code opens only a few files and sockets at a time."""


class Spare:
    """
    A few descriptors, held in reserve for work that must not fail for want of one; fewer, or none,
    if the limit is so low that the start needs them.
    """

    def __init__(self) -> None:
        self._held: list[int] = []
        self._size = min(SPARE, getLimit() // 16)
        self._fill()

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Release the descriptors while the work runs."""
        self.close()
        try:
            yield
        finally:
            self._fill()

    def close(self) -> None:
        """Release the descriptors."""
        while self._held:
            os.close(self._held.pop())

    __del__ = close
    """A program that embeds the daemon may drop it without a stop."""

    def _fill(self) -> None:
        with suppress(OSError):  # other code took them first: try again next time
            while len(self._held) < self._size:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


FREE = 16
"""Descriptors that are taken at a moment when many clients come at a time."""


def areScarce() -> bool:
    """Return whether this process may soon have no descriptor left."""
    found: list[int] = []
    try:
        while len(found) < FREE:
            found.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return True
    finally:
        for descriptor in found:
            os.close(descriptor)
    return False


def raiseLimit() -> None:
    """
    Raise the limit to what the administrator allows; by custom, programs start with a lower one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then the limit stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def getLimit() -> int:
    """Return how many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def getSocketRoom() -> int:
    """Return how many descriptors knock ports can use."""
    most = getLimit()
    return most - min(RESERVE, most // 2)


def computeLimit(sockets: int) -> int:
    """Return the limit that so many sockets of knock ports need."""
    return sockets + RESERVE


def moveUp(bound: socket.socket) -> socket.socket:
    """Return a socket with a descriptor above L{LOW}, or unchanged if none is left."""
    try:
        high = fcntl.fcntl(bound, fcntl.F_DUPFD_CLOEXEC, LOW)
    except (OSError, ValueError):
        return bound
    moved = socket.socket(bound.family, bound.type, bound.proto, fileno=high)
    moved.setblocking(bound.getblocking())
    bound.close()
    return moved
