"""A file of notes: what the next daemon must know of the sealed knocks that this one saw."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger

from pkdoors.config.lastgood import STATE
from pkdoors.daemon.notes.notesfile import NotesFile
from pkdoors.host.bootid import UNKNOWN, readBootId
from pkdoors.locks.sealed.notelines import NotesLost
from pkdoors.locks.sealed.replaynotes import Found, NotesWriter, parseNotes
from pkdoors.locks.sealed.replays import (
    MAX_SEEN,
    NO_CLOSINGS,
    ClosedNote,
    Notes,
    ReplayCache,
)
from pkdoors.util.durations import formatDuration
from pkdoors.util.trouble import Trouble

if TYPE_CHECKING:
    from pkdoors.locks.relayed.tombstones import Tombstones

MAX_LINES = 2 * MAX_SEEN
"""Lines that are added before the file is written again from the beginning."""
MAX_BYTES = 4 << 20
"""Of the file: more than that many lines need."""
TOUCHED = 10.0
"""Seconds between its last line and its last change, at most. If there are more, somebody else has
changed it: put back an older copy, or truncated it."""


def seenPath(lasting: str) -> Path:
    """
    Return the file where a daemon notes the sealed knocks that it saw. The name lasts as long as
    the configuration stays in its place, whatever network namespace the daemon is in. Two daemons
    on one host, each with a configuration of its own, have two files.

    @param lasting: the configuration file, or, if there is none, the files of keys.
    """
    return STATE / f"{sha256(lasting.encode()).hexdigest()[:16]}.seen"


class ReplayFile:
    """
    Has one line for each knock that opened something, and, on a host of a fleet, for each closing.
    Each start writes it again from the beginning.

    No memory is not an empty memory. If the file is missing, damaged, truncated, of another user,
    an older copy, or of a boot that did not end properly (then its last lines may never have
    reached the disk), we do not know the knocks of earlier daemons, and call
    L{ReplayCache.distrust}.

    @ivar path: in a folder that only root, or the daemon's own user, can write.
    @param seconds: a clock that does not jump, and continues from one daemon to the next.
    @param timeOfDay: seconds since 1970.
    """

    _log = Logger()

    def __init__(
        self,
        path: Path,
        seconds: Callable[[], float] = time.monotonic,
        timeOfDay: Callable[[], float] = time.time,
        boot: Callable[[], str] = readBootId,
    ) -> None:
        self.path = path
        self._seconds = seconds
        self._timeOfDay = timeOfDay
        self._boot = boot
        self._seen = ReplayCache(0.0, lambda key, nonce, stamp: None)
        self._skew = 0.0
        self._since: float | None = None
        self._tombstones: Tombstones | None = None
        self._found = Notes()  # of a fleet, until somebody keeps them
        self._isSameBoot = False  # as when these were written
        self._isBlind = False  # if it runs, and notes no closings as long as nobody keeps them
        self._notes = NotesFile(path, path.with_suffix(".lock"))
        self._writer = NotesWriter()
        self._added = 0
        self._failing = Trouble()

    def start(self, seen: ReplayCache, skew: float) -> None:
        """
        Learn what earlier daemons saw, and begin to write. This raises nothing: if it fails, knocks
        that an earlier daemon may have heard are refused, and one line says so.

        @param skew: seconds by which stamps may be ahead, the maximum of all doors.
        """
        self._seen, self._skew = seen, skew
        trouble = ""
        try:
            self._notes.takeLock()
            self._learn()
        except FileNotFoundError:
            trouble = "they are missing"
        except OSError as error:
            trouble = f"they cannot be opened: {error.strerror}"
        except NotesLost as error:
            trouble = str(error)
        if trouble:
            self._since = self._seconds()
        self._distrust()
        self._isBlind = True
        if self._notes.isLocked and not self._replace(isFirst=True) and not trouble:
            trouble, self._since = "they cannot be written", self._seconds()
            self._distrust()
        if trouble:
            self._log.warn(
                "the notes of sealed knocks in {path} cannot be trusted ({trouble}): sealed knocks "
                "are refused for {skew} after this start, in case they opened something before",
                path=self.path,
                trouble=trouble,
                skew=formatDuration(skew),
            )

    def keep(self, tombstones: "Tombstones", isLate: bool = False) -> None:
        """
        Learn what earlier daemons have closed in a fleet, and note what is closed from now on. If
        L{start} has found nothing that can be trusted, or the last daemon noted no closings,
        whatever is older may have been closed.

        @param isLate: whether this daemon has run for a while without noting any.
        """
        now, today = self._seconds(), self._timeOfDay()
        floors = [floor for floor in self._found.floors if floor != NO_CLOSINGS]
        isLate = isLate or len(floors) < len([*self._found.floors])
        found = replace(self._found, floors=floors)
        tombstones.learn(found, now, today, self._skew, self._isSameBoot)
        self._tombstones, self._found = tombstones, Notes()
        if isLate:
            tombstones.distrust(now)
        self._distrust()
        self._replace()  # the next daemon may see no reason to distrust

    def _distrust(self) -> None:
        if self._since is None:
            return
        self._seen.distrust(self._since)
        if self._tombstones is not None:
            self._tombstones.distrust(self._since + self._skew)

    def begin(self) -> None:
        """
        Write notes without any knock, with a proper end.

        @raise OSError: that failed.
        @raise NotesLost: a daemon uses the file.
        """
        self._notes.takeLock()
        self.leave()

    def take(self) -> bool:
        """
        Read the notes while no daemon runs. Return whether they are complete.

        @raise OSError: there are none.
        @raise NotesLost: they cannot be trusted, or a daemon uses them.
        """
        self._notes.takeLock()
        try:
            self._learn()
        except (OSError, NotesLost):
            self.close()
            raise
        isWhole = self._since is None
        if not isWhole:
            self.close()
        return isWhole

    def leave(self) -> None:
        """Write the notes again, with a proper end."""
        self._replace(isFirst=True)
        self.close()

    def allow(self, skew: float) -> None:
        """Allow stamps to be ahead by so much from now on, see L{start}."""
        self._skew = max(self._skew, skew)

    def note(self, key: str, nonce: str, stamp: int) -> None:
        """Note a knock, before it opens anything."""
        if self._prepare():
            self._attempt([self._writer.seen(self._timeOfDay(), key, nonce, stamp)])

    def noteClosed(self, note: ClosedNote) -> None:
        """Note a closing, before it counts."""
        if self._prepare():
            self._attempt([self._writer.closed(self._timeOfDay(), note)])

    def _prepare(self) -> bool:
        """Return whether there is a file for one more line."""
        if not self._notes.isLocked:
            return False
        self._added += 1
        isFit = self._notes.isOpen and self._added <= MAX_LINES
        return isFit or self._replace()

    def close(self) -> None:
        """End the file properly: then the next daemon can rely on it, even after a boot."""
        if self._notes.isOpen and self._tombstones is not None and self._tombstones.hasOwn():
            self._replace()  # the clock may have been set since the closings were noted
        if self._notes.isOpen:
            isWhole = self._since is None or self._seconds() - self._since >= self._skew
            if self._attempt([self._writer.end(self._timeOfDay(), isWhole)]):
                self._sync()
        self._notes.release()

    def _sync(self) -> None:
        """Make sure that the end reached the disk; else the file must not say that it is whole."""
        try:
            self._notes.sync()
        except OSError as error:
            self._complain(error)
            self._notes.empty()

    def _learn(self) -> None:
        """
        Learn the notes in the file.

        @raise OSError: there is no file.
        @raise NotesLost: it cannot be trusted.
        """
        found = self._read()
        self._isSameBoot = found.boot == self._boot() != UNKNOWN
        if not found.isEnded and not self._isSameBoot:
            raise NotesLost("this host went down, or was copied, before the daemon ended")
        self._seen.learn(found.notes)
        self._found = Notes(closed=found.notes.closed, floors=found.notes.floors)
        if found.isEnded or found.since is None:
            return
        waited = self._seconds() - found.since
        if waited < 0:
            raise NotesLost("their clock is not this one")
        self._since = found.since if waited < self._skew else None

    def _read(self) -> Found:
        text, status = self._notes.read(MAX_BYTES)
        found = parseNotes(text)
        if found.inode != status.st_ino or abs(status.st_ctime - found.time) > TOUCHED:
            raise NotesLost("somebody changed the file, or put a copy in its place")
        return found

    def _replace(self, isFirst: bool = False) -> bool:
        """
        Write the whole file again. Return whether that succeeded.

        @param isFirst: whether it must last: the last file, with its proper end, might come back
            after a crash.
        """
        self._writer = NotesWriter()
        try:
            self._notes.replace(self._makeLines, isFirst)
        except OSError as error:
            self._complain(error)
            self._notes.empty()
            return False
        self._added = 0
        return True

    def _makeLines(self, inode: int) -> Iterator[str]:
        now = self._timeOfDay()
        yield self._writer.header(now, self._boot(), inode, self._since)
        yield from self._writer.notes(now, self._makeNotes())

    def _makeNotes(self) -> Notes:
        found = self._found
        if self._tombstones is not None:
            found = self._tombstones.makeNotes(self._seconds(), self._timeOfDay())
        elif self._isBlind and NO_CLOSINGS not in found.floors:
            found = replace(found, floors=[*found.floors, NO_CLOSINGS])
        return replace(self._seen.makeNotes(), closed=found.closed, floors=found.floors)

    def _attempt(self, lines: Iterable[str]) -> bool:
        if not self._notes.isOpen:
            return False
        try:
            self._notes.append(lines)
        except OSError as error:
            self._complain(error)
            self._notes.empty()  # it lacks a line; the next note writes it again
            return False
        self._failing.end()
        return True

    def _complain(self, error: OSError) -> None:
        """Warn once, however long it lasts."""
        if not self._failing.begin("it cannot be written"):
            return
        self._log.warn(
            "cannot write {path} ({reason}): after a restart of the daemon sealed knocks are "
            "refused for a while",
            path=self.path,
            reason=error.strerror,
        )
