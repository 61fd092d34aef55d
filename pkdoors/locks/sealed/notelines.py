"""
The lines of a file of notes. Pure.

::

    TIME TEXT CHECK

TIME is when a line was written, in milliseconds since 1970. CHECK covers its line and all lines
before it, so a line that is changed, missing or moved invalidates all that follow.
"""

import re
from collections.abc import Iterator
from hashlib import sha256

from pkdoors.errors import PkdoorsError

_LINE = re.compile(r"(?P<body>(?P<time>[0-9]{1,15}) (?P<text>[^\n]*)) (?P<check>[0-9a-f]{16})\n")


class NotesLost(PkdoorsError):
    """The notes cannot be trusted. The message says why, in half a sentence."""


class LineWriter:
    """Writes the lines of one file, in order."""

    def __init__(self) -> None:
        self._check = ""

    def line(self, time: float, text: str) -> str:
        """Return the next line."""
        body = f"{time * 1000:.0f} {text}"
        self._check = _checkOf(self._check, body)
        return f"{body} {self._check}\n"


def splitLines(data: str) -> Iterator[tuple[float, str]]:
    """
    Yield the time of each line, in seconds, and its text.

    @raise NotesLost: the rest is damaged. What was yielded before is good.
    """
    check, at = "", 0
    while at < len(data):
        match = _LINE.match(data, at)
        if match is None or match["check"] != (check := _checkOf(check, match["body"])):
            raise NotesLost("they are damaged")
        yield int(match["time"]) / 1000, match["text"]
        at = match.end()


def _checkOf(before: str, body: str) -> str:
    return sha256(f"{before} {body}".encode()).hexdigest()[:16]
