"""A file in which one daemon at a time writes notes, line by line."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pkdoors.host.serviceuser import openOwn, refuseOddFile
from pkdoors.locks.sealed.notelines import NotesLost

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class NotesFile:
    """
    Reads and writes the file. What goes wrong is an L{OSError}, for the caller to report.

    @param path: in a folder that only root, or the daemon's own user, can write.
    @param lock: the name of the file that is locked meanwhile.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lockPath = lock
        self._lock: int | None = None
        self._file: int | None = None

    @property
    def isLocked(self) -> bool:
        """Whether the file is ours."""
        return self._lock is not None

    @property
    def isOpen(self) -> bool:
        """Whether lines can be added."""
        return self._file is not None

    def takeLock(self) -> None:
        """
        Ensure that no daemon in another network namespace writes the same file.

        @raise NotesLost: one does.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = openOwn(self._lockPath, os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise NotesLost(
                "another daemon uses them: give each daemon a configuration file of its own"
            ) from None
        self._lock = lock

    def read(self, most: int) -> tuple[str, os.stat_result]:
        """
        Return the contents, and data about the file.

        @param most: bytes.
        @raise NotesLost: it is not a file that only this daemon's earlier ones could write.
        """
        file = os.open(self._path, _READ)
        try:
            status = os.fstat(file)
            self._checkOwn(status)
            with os.fdopen(os.dup(file), "rb") as opened:
                data = opened.read(most + 1)
        finally:
            os.close(file)
        if len(data) > most:
            raise NotesLost("they are too long")
        return data.decode("ascii", errors="replace"), status

    def _checkOwn(self, status: os.stat_result) -> None:
        try:
            refuseOddFile(status)
        except OSError as error:
            raise NotesLost(str(error.strerror)) from error
        if status.st_uid not in (0, os.geteuid(), self._path.parent.stat().st_uid):
            raise NotesLost("the file belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NotesLost("others can write the file")

    def replace(self, makeLines: Callable[[int], Iterable[str]], isLasting: bool) -> None:
        """
        Write a new file, and put it in the place of the old one.

        @param makeLines: returns its lines; called with its inode number.
        @param isLasting: whether it must have reached the disk before this returns.
        """
        new = self._path.with_name(f"{self._path.name}.new")
        file = openOwn(new, os.O_WRONLY | os.O_TRUNC | os.O_APPEND)
        try:
            _writeAll(file, makeLines(os.fstat(file).st_ino))
            if isLasting:
                os.fsync(file)
            new.replace(self._path)
            if isLasting:
                _syncFolder(self._path.parent)
        except OSError:
            os.close(file)
            raise
        self.drop()
        self._file = file

    def append(self, lines: Iterable[str]) -> None:
        """Add lines. If that fails, a part of them may be there."""
        if self._file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        _writeAll(self._file, lines)

    def sync(self) -> None:
        """Wait until all lines have reached the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def empty(self) -> None:
        """Remove all lines, and add no more: nobody may take the file for whole."""
        with suppress(OSError):  # it was reported already that it cannot be written
            if self._file is not None:
                os.ftruncate(self._file, 0)
            else:
                os.close(openOwn(self._path, os.O_WRONLY | os.O_TRUNC))
        self.drop()

    def drop(self) -> None:
        """Add no more lines."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def release(self) -> None:
        """Leave the file to others."""
        self.drop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


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
