"""
The datagram of a plain knock: C{knock\\n}, or C{knock SECONDS\\n} to ask for a time.

The first is what port-knocking-doors sends, so that its clients, C{nc} and a shell can knock.
"""

import re
from typing import NamedTuple

MAX_DATAGRAM = 2048
"""Bytes read of a datagram: more than any knock has, so that none is mistaken when cut off."""

_USUAL = b"knock\n"
_PLAIN = re.compile(rb"knock(?: ([0-9]{1,9}))?\n")


class Knock(NamedTuple):
    """
    One datagram on a knock port. A tuple because one is made for each datagram of a flood.

    @ivar source: the sender's address, IPv4 or IPv6, without a scope.
    @ivar port: the knock port it came to.
    @ivar datagram: its payload, as it came.
    @ivar stamp: when the kernel got it, in nanoseconds since 1970.
    """

    source: str
    port: int
    datagram: bytes
    stamp: int = 0


def makePlainKnock(seconds: int = 0) -> bytes:
    """The payload of a plain knock; C{seconds} 0 asks for the door's own time."""
    return b"knock %d\n" % seconds if seconds else _USUAL


def parsePlainKnock(datagram: bytes) -> int | None:
    """
    Read the payload of a plain knock.

    @return: the seconds asked for, 0 where it asks for nothing, L{None} where it is no plain
        knock. Nothing is raised, whatever the payload.
    """
    if datagram == _USUAL:
        return 0
    match = _PLAIN.fullmatch(datagram)
    return None if match is None else int(match[1] or 0)
