"""
How many files and sockets this process may have open; C{RLIMIT_NOFILE} of C{getrlimit(2)}.
"""

import fcntl
import resource
import socket
from contextlib import suppress

RESERVE = 256
"""Descriptors that knock ports leave to all else: the operator's connections, the firewall, D-Bus,
hooks, files. If the limit is very low, they leave half of it."""

LOW = 1024
"""Descriptors from here on are of no use to a library that calls C{select(2)}: libnftables ends the
process when it gets one. So if there are many knock ports, their sockets go above it."""


def raiseLimit() -> None:
    """Have as many as the administrator allows; programs are started with fewer, by custom."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def roomForSockets() -> int:
    """Return how many of them can be sockets of knock ports."""
    most = limit()
    return most - min(RESERVE, most // 2)


def limitFor(sockets: int) -> int:
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
