"""The notes of a trial, which one command makes and others read."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pkdoors.errors import InstallError
from pkdoors.files.reading import readFile
from pkdoors.files.writing import replaceFile
from pkdoors.host.bootid import readBootId
from pkdoors.host.serviceuser import openOwn

FOLDER = Path("/run/pkdoors-trial")
"""Root's own, unlike the daemon's folder: the notes decide what root stops and starts."""


class Notes(NamedTuple):
    """
    A trial.

    @ivar token: names this trial, and no other.
    @ivar until: when it ends, see L{seconds}.
    @ivar isService: whether the daemon runs as the service of systemd.
    @ivar boot: the boot in which it began; no trial survives a boot.
    """

    token: str
    until: float
    isService: bool
    boot: str


def seconds() -> float:
    """Return the time since the boot, which no change of the clock and no suspend stops."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class NotesFile:
    """
    The notes of the trial in this network namespace: each has a firewall of its own.

    @param folder: where they are.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{os.stat('/proc/self/ns/net').st_ino}.{suffix}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Let no other command change the trial meanwhile.

        @raise InstallError: another one does, or this user may not.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = openOwn(self._path("lock"), os.O_RDWR)
        except OSError as error:
            remedy = ": run this as root" if isinstance(error, PermissionError) else ""
            raise InstallError(f"cannot write {self._folder}: {error.strerror}{remedy}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise InstallError("another command starts or ends the trial just now") from error
        finally:
            os.close(descriptor)

    def read(self) -> Notes | None:
        """Return the notes of the trial; L{None} if there is none."""
        try:
            found = json.loads(readFile(self._path("json")).text())
            notes = Notes(**found)
        except (OSError, ValueError, TypeError):
            return None
        return notes if notes.boot == readBootId() else None

    def write(self, notes: Notes) -> None:
        """
        Note a trial.

        @raise InstallError: that fails.
        """
        try:
            replaceFile(self._path("json"), json.dumps(notes._asdict()).encode())
        except OSError as error:
            raise InstallError(f"cannot write {self._path('json')}: {error.strerror}") from error

    def remove(self) -> None:
        """Note that there is none."""
        with suppress(OSError):
            os.unlink(self._path("json"))


def isOnTrial() -> bool:
    """Return whether there is a trial on this host; never if this user may not read the notes."""
    return NotesFile().read() is not None
