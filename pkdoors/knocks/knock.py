"""
The datagram of a plain knock: C{knock\\n}, or C{knock SECONDS\\n} to ask for a time.

The clients of port-knocking-doors send the first form, and so can C{nc} and a shell.
"""

import re
from typing import NamedTuple

MAX_DATAGRAM = 2048
"""Bytes that are read of a datagram: more than any knock has, so that the beginning of a longer one
is never taken for a knock."""

_USUAL = b"knock\n"
_PLAIN = re.compile(rb"knock(?: ([0-9]{1,9}))?\n")


class Knock(NamedTuple):
    """
    One datagram on a knock port. It is a tuple, because a flood makes very many of them.

    @ivar source: the sender's address, IPv4 or IPv6, without a scope.
    @ivar port: the knock port that it came to.
    @ivar datagram: its payload, unchanged.
    @ivar stamp: when the kernel received it, in nanoseconds since 1970.
    """

    source: str
    port: int
    datagram: bytes
    stamp: int = 0


def makePlainKnock(seconds: int = 0) -> bytes:
    """Return the payload of a plain knock; C{seconds} 0 asks for the door's own time."""
    return b"knock %d\n" % seconds if seconds else _USUAL


def parsePlainKnock(datagram: bytes) -> int | None:
    """
    Read the payload of a plain knock.

    @return: the seconds asked for; 0 if it does not ask for a time; L{None} if it is not a plain
        knock. Nothing is raised, whatever the payload.
    """
    if datagram == _USUAL:
        return 0
    match = _PLAIN.fullmatch(datagram)
    return None if match is None else int(match[1] or 0)
