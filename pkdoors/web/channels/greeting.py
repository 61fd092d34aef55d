"""The first line that C{pkdoors relay-admin} sends. Pure."""

import re

VERSION = 1
"""Of the frames and channels."""
GREETING = b"\npkdoors-relay-admin %d\n" % VERSION
"""The line is found behind whatever the shell of the host prints before."""
MAX_BEFORE = 1 << 16
"""Bytes that may come before it."""

_GREETING = re.compile(rb"(?:^|\n)pkdoors-relay-admin ([0-9]{1,9})\n")


class Greeting:
    """Looks for the greeting in what a host sends."""

    def __init__(self) -> None:
        self._read = bytearray()

    def add(self, data: bytes) -> tuple[int, bytes] | None:
        """
        Take in data.

        @return: the version in the greeting, and what follows; L{None} if there is none yet.
        """
        self._read += data
        found = _GREETING.search(self._read)
        return (int(found[1]), bytes(self._read[found.end() :])) if found else None

    def isHopeless(self) -> bool:
        """Return whether the host sends something else."""
        return len(self._read) > MAX_BEFORE
