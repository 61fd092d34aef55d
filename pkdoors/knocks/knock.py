"""
The datagram of a plain knock: C{knock\\n}, or C{knock SECONDS\\n} to ask for a time.

The clients of port-knocking-doors send the first form, and so can C{nc} and a shell. Blanks, CR and
LF may follow, or nothing: other clients end their lines otherwise. A TCP connection that begins is
a plain knock, too, without a payload.
"""

import re
from typing import NamedTuple

from pkdoors.model.knockports import KnockPort, TcpPort

MAX_DATAGRAM = 2048
"""Bytes that are read of a datagram: more than any knock has, so that the beginning of a longer one
is never taken for a knock."""

MAX_PLAIN = 32
"""Bytes of the longest plain knock, with what may follow."""

_USUAL = b"knock\n"
_PLAIN = re.compile(rb"knock(?: ([0-9]{1,9}))?[ \t\r\n]*")


class Knock(NamedTuple):
    """
    One datagram on a knock port, or one TCP connection that begins there. It is a tuple, because a
    flood makes very many of them.

    @ivar source: the sender's address, IPv4 or IPv6, without a scope.
    @ivar port: the knock port that it came to.
    @ivar datagram: its payload, unchanged; over TCP empty.
    @ivar stamp: when the kernel received it, in nanoseconds since 1970.
    """

    source: str
    port: KnockPort
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
    if len(datagram) > MAX_PLAIN:
        return None
    match = _PLAIN.fullmatch(datagram)
    return None if match is None else int(match[1] or 0)


def readPlainKnock(knock: Knock) -> int | None:
    """Return what L{parsePlainKnock} does; 0 for a knock over TCP, which has no payload."""
    return 0 if isinstance(knock.port, TcpPort) else parsePlainKnock(knock.datagram)
