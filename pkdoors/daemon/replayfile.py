"""A file of notes: what the next daemon must know of the sealed knocks that this one saw."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from twisted.logger import Logger

from pkdoors.config.lastgood import STATE
from pkdoors.host.bootid import UNKNOWN, readBootId
from pkdoors.host.serviceuser import openOwn, refuseOddFile
from pkdoors.locks.sealed.replaynotes import Found, NotesLost, NotesWriter, parseNotes
from pkdoors.locks.sealed.replays import MAX_SEEN, ReplayCache
from pkdoors.util.durations import formatDuration
from pkdoors.util.trouble import Trouble

MAX_LINES = 2 * MAX_SEEN
"""Lines that are added before the file is written again from the beginning."""
MAX_BYTES = 4 << 20
"""Of the file: more than that many lines need."""
TOUCHED = 10.0
"""Seconds between its last line and its last change, at most. If there are more, somebody else has
changed it: put back an older copy, or truncated it."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


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
    Has one line for each knock that opened something. Each start writes it again from the
    beginning.

    No memory is not an empty memory. If the file is missing, damaged, truncated, of another user,
    an older copy, or of a boot that did not end properly (then its last lines may never have
    reached the disk), we do not know the knocks of earlier daemons, and call
    L{ReplayCache.distrust}.

    @param path: in a folder that only root, or the daemon's own user, can write.
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
        self._path = path
        self._seconds = seconds
        self._timeOfDay = timeOfDay
        self._boot = boot
        self._seen = ReplayCache(0.0, lambda key, nonce, stamp: None)
        self._skew = 0.0
        self._since: float | None = None
        self._lock: int | None = None
        self._file: int | None = None
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
            self._takeLock()
            self._learn()
        except FileNotFoundError:
            trouble = "they are missing"
        except OSError as error:
            trouble = f"they cannot be opened: {error.strerror}"
        except NotesLost as error:
            trouble = str(error)
        if trouble:
            self._since = self._seconds()
        if self._lock is not None and not self._replace(isFirst=True) and not trouble:
            trouble, self._since = "they cannot be written", self._seconds()
        if self._since is not None:
            seen.distrust(self._since)
        if trouble:
            self._log.warn(
                "the notes of sealed knocks in {path} cannot be trusted ({trouble}): sealed knocks "
                "are refused for {skew} after this start, in case they opened something before",
                path=self._path,
                trouble=trouble,
                skew=formatDuration(skew),
            )

    def begin(self) -> None:
        """
        Write notes without any knock, with a proper end.

        @raise OSError: that failed.
        @raise NotesLost: a daemon uses the file.
        """
        self._takeLock()
        self.leave()

    def take(self) -> bool:
        """
        Read the notes while no daemon runs. Return whether they are complete.

        @raise OSError: there are none.
        @raise NotesLost: they cannot be trusted, or a daemon uses them.
        """
        self._takeLock()
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
        if self._lock is None:
            return
        self._added += 1
        if (self._file is None or self._added > MAX_LINES) and not self._replace():
            return
        self._attempt([self._writer.seen(self._timeOfDay(), key, nonce, stamp)])

    def close(self) -> None:
        """End the file properly: then the next daemon can rely on it, even after a boot."""
        if self._file is not None:
            isWhole = self._since is None or self._seconds() - self._since >= self._skew
            if self._attempt([self._writer.end(self._timeOfDay(), isWhole)]):
                self._sync(self._file)
        self._drop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _sync(self, file: int) -> None:
        """Make sure that the end reached the disk; else the file must not say that it is whole."""
        try:
            os.fsync(file)
        except OSError as error:
            self._complain(error)
            self._spoil()

    def _takeLock(self) -> None:
        """
        Ensure that no daemon in another network namespace writes the same file.

        @raise NotesLost: one does.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = openOwn(self._path.with_suffix(".lock"), os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise NotesLost(
                "another daemon uses them: give each daemon a configuration file of its own"
            ) from None
        self._lock = lock

    def _learn(self) -> None:
        """
        Learn the notes in the file.

        @raise OSError: there is no file.
        @raise NotesLost: it cannot be trusted.
        """
        found = self._read()
        isSameBoot = found.boot == self._boot() != UNKNOWN
        if not found.isEnded and not isSameBoot:
            raise NotesLost("this host went down, or was copied, before the daemon ended")
        self._seen.learn(found.notes)
        if found.isEnded or found.since is None:
            return
        waited = self._seconds() - found.since
        if waited < 0:
            raise NotesLost("their clock is not this one")
        self._since = found.since if waited < self._skew else None

    def _read(self) -> Found:
        file = os.open(self._path, _READ)
        try:
            status = os.fstat(file)
            self._checkOwn(status)
            with os.fdopen(os.dup(file), "rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        finally:
            os.close(file)
        if len(data) > MAX_BYTES:
            raise NotesLost("they are too long")
        found = parseNotes(data.decode("ascii", errors="replace"))
        if found.inode != status.st_ino or abs(status.st_ctime - found.time) > TOUCHED:
            raise NotesLost("somebody changed the file, or put a copy in its place")
        return found

    def _checkOwn(self, status: os.stat_result) -> None:
        try:
            refuseOddFile(status)
        except OSError as error:
            raise NotesLost(str(error.strerror)) from error
        if status.st_uid not in (0, os.geteuid(), self._path.parent.stat().st_uid):
            raise NotesLost("the file belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NotesLost("others can write the file")

    def _replace(self, isFirst: bool = False) -> bool:
        """Write the whole file again. Return whether that succeeded."""
        try:
            self._makeNew(isFirst)
        except OSError as error:
            self._complain(error)
            self._spoil()
            return False
        return True

    def _makeNew(self, isFirst: bool) -> None:
        new = self._path.with_suffix(".new")
        file = openOwn(new, os.O_WRONLY | os.O_TRUNC | os.O_APPEND)
        writer, now = NotesWriter(), self._timeOfDay()
        try:
            header = writer.header(now, self._boot(), os.fstat(file).st_ino, self._since)
            _writeAll(file, [header, *writer.notes(now, self._seen.makeNotes())])
            if isFirst:  # or the last file, with its proper end, might come back after a crash
                os.fsync(file)
            new.replace(self._path)
            if isFirst:
                _syncFolder(self._path.parent)
        except OSError:
            os.close(file)
            raise
        self._drop()
        self._file, self._writer, self._added = file, writer, 0

    def _attempt(self, lines: Iterable[str]) -> bool:
        if self._file is None:
            return False
        try:
            _writeAll(self._file, lines)
        except OSError as error:
            self._complain(error)
            self._spoil()
            return False
        self._failing.end()
        return True

    def _spoil(self) -> None:
        """
        Empty a file that lacks a line: nobody may take it for whole. The next note rewrites it.
        """
        with suppress(OSError):  # it was reported already that it cannot be written
            if self._file is not None:
                os.ftruncate(self._file, 0)
            else:
                os.close(openOwn(self._path, os.O_WRONLY | os.O_TRUNC))
        self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _complain(self, error: OSError) -> None:
        """Warn once, however long it lasts."""
        if not self._failing.begin("it cannot be written"):
            return
        self._log.warn(
            "cannot write {path} ({reason}): after a restart of the daemon sealed knocks are "
            "refused for a while",
            path=self._path,
            reason=error.strerror,
        )


def _writeAll(file: int, lines: Iterable[str]) -> None:
    data = "".join(lines).encode("ascii")
    if os.write(file, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _syncFolder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
