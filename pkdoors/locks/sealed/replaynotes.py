"""
The notes that a daemon leaves to the next one, about the sealed knocks that it saw. Pure.

::

    TIME notes 2 BOOT INODE SINCE CHECK
    TIME forgotten KEY STAMP CHECK
    TIME seen KEY NONCE STAMP CHECK
    TIME closed DOOR SOURCE KEY STAMP CLOCK CHECK
    TIME floor KEY STAMP CLOCK CHECK
    TIME end WHOLE CHECK

L{pkdoors.locks.sealed.notelines} explains TIME and CHECK. BOOT and INODE say where the file was
written. SINCE says from when on it is complete, in seconds of the clock that does not jump, or is
C{-} if nothing is missing. WHOLE is 1 if at the end nothing was missing that could still matter.

Only a host of a fleet closes. There, KEY is a fingerprint, C{*} stands for all, and CLOCK is
C{signed} if a signature covers the stamp. If this host's clock made it, it is C{own}, with the
moment on the clock that does not jump. C{floor * 0 signed} says that the daemon noted no closings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pkdoors.locks.sealed.notelines import LineWriter, NotesLost, splitLines
from pkdoors.locks.sealed.replays import EVERYBODY, ClosedNote, FloorNote, Notes
from pkdoors.model.sources import readSource

VERSION = 2
ALL = "*"
"""Stands for all doors, all sources or all keys that were closed."""
_ALL = "-"  # in place of EVERYBODY, and of a moment

_HEADER = re.compile(
    rf"notes {VERSION} (?P<boot>[0-9a-f-]{{1,64}}) (?P<inode>[0-9]{{1,20}}) "
    r"(?P<since>-|[0-9]{1,12}\.[0-9]{3})"
)
_FORGOTTEN = re.compile(r"forgotten (-|[0-9a-f]{32}) ([0-9]{1,15})")
_SEEN = re.compile(r"seen ([0-9a-f]{32}) ([0-9a-f]{16}) ([0-9]{1,15})")
_KEY = r"\*|SHA256:[A-Za-z0-9+/]{43}"
_CLOCK = r"(?:signed|own (-?[0-9]{1,12}\.[0-9]{3}))"
_CLOSED = re.compile(
    r"closed (\*|[a-z][a-z0-9_-]{0,31}) (\*|[0-9a-f.:]{2,45}(?:/[0-9]{1,3})?) "
    rf"({_KEY}) ([0-9]{{1,15}}) {_CLOCK}"
)
_FLOOR = re.compile(rf"floor ({_KEY}) ([0-9]{{1,15}}) {_CLOCK}")
_END = re.compile(r"end ([01])")


@dataclass(frozen=True, slots=True)
class Found:
    """
    The contents of a file of notes.

    @ivar boot: the boot in which it was written.
    @ivar inode: the inode number of its file.
    @ivar since: from when on it is complete, on the clock that does not jump; L{None} if nothing is
        missing.
    @ivar isEnded: whether the daemon ended it, with nothing missing.
    @ivar time: when its last line was written, in seconds since 1970.
    """

    boot: str
    inode: int
    since: float | None
    notes: Notes
    isEnded: bool
    time: float


class NotesWriter(LineWriter):
    """Writes the lines of one file, in order."""

    def header(self, time: float, boot: str, inode: int, since: float | None) -> str:
        """Return the first line."""
        moment = _ALL if since is None else f"{since:.3f}"
        return self.line(time, f"notes {VERSION} {boot} {inode} {moment}")

    def notes(self, time: float, notes: Notes) -> Iterator[str]:
        """Yield a line for each of the notes."""
        for key, stamp in notes.forgotten.items():
            yield self.line(time, f"forgotten {_ALL if key == EVERYBODY else key} {stamp}")
        for key, nonce, stamp in notes.seen:
            yield self.seen(time, key, nonce, stamp)
        for floor in notes.floors:
            yield self.line(time, f"floor {floor.key} {floor.stamp} {_writeClock(floor.at)}")
        for note in notes.closed:
            yield self.closed(time, note)

    def seen(self, time: float, key: str, nonce: str, stamp: int) -> str:
        """Return the line for one knock."""
        return self.line(time, f"seen {key} {nonce} {stamp}")

    def closed(self, time: float, note: ClosedNote) -> str:
        """Return the line for one closing."""
        what = f"closed {note.door} {note.source} {note.key} {note.stamp}"
        return self.line(time, f"{what} {_writeClock(note.at)}")

    def end(self, time: float, isWhole: bool) -> str:
        """Return the last line."""
        return self.line(time, f"end {isWhole:d}")


def parseNotes(text: str) -> Found:
    """
    Read a file of notes.

    @raise NotesLost: it was changed, or is of another version.
    """
    lines = splitLines(text)
    last, rest = next(lines, (0.0, ""))
    header = _HEADER.fullmatch(rest)
    if header is None:
        raise NotesLost("they are damaged, or of another version")
    notes, ended = _NotesReader(), None
    for last, rest in lines:  # noqa: B007
        if ended is not None:
            raise NotesLost("they are damaged")
        if match := _END.fullmatch(rest):
            ended = match[1]
        else:
            notes.read(rest)
    since = None if header["since"] == _ALL else float(header["since"])
    found = notes.found()
    return Found(header["boot"], int(header["inode"]), since, found, ended == "1", last)


class _NotesReader:
    """Reads the lines between the first and the last."""

    def __init__(self) -> None:
        self._forgotten: dict[str, int] = {}
        self._seen: list[tuple[str, str, int]] = []
        self._closed: list[ClosedNote] = []
        self._floors: list[FloorNote] = []

    def read(self, line: str) -> None:
        """Read a line."""
        if match := _SEEN.fullmatch(line):
            self._seen.append((match[1], match[2], int(match[3])))
        elif match := _FORGOTTEN.fullmatch(line):
            self._forgotten[EVERYBODY if match[1] == _ALL else match[1]] = int(match[2])
        elif match := _CLOSED.fullmatch(line):
            if match[2] != ALL and not _isSource(match[2]):
                raise NotesLost("they are damaged")
            at = _readClock(match[5])
            self._closed.append(ClosedNote(match[1], match[2], match[3], int(match[4]), at))
        elif match := _FLOOR.fullmatch(line):
            self._floors.append(FloorNote(match[1], int(match[2]), _readClock(match[3])))
        else:
            raise NotesLost("they are damaged")

    def found(self) -> Notes:
        """Return what was read."""
        return Notes(self._forgotten, self._seen, self._closed, self._floors)


def _writeClock(at: float | None) -> str:
    return "signed" if at is None else f"own {at:.3f}"


def _readClock(at: str | None) -> float | None:
    return None if at is None else float(at)


def _isSource(text: str) -> bool:
    try:
        return str(readSource(text)) == text
    except ValueError:
        return False
