"""The file of authorized keys, read again whenever it changes."""

import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.files.reading import readFile
from pkdoors.files.trust import flawOf
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey, parseAuthorizedKeys
from pkdoors.util.oneline import foremost
from pkdoors.util.trouble import Trouble

MAX_BYTES = 1 << 20
"""Of the file: far above what the most keys take."""

FRESH = 0.01
"""Seconds for which a look at the file holds. Each takes 0.1 ms, for all the folders above it, and
under a flood of seals the daemon would do hardly anything else."""

State = tuple[int, ...]
"""What of a file changes when its content or its permissions do."""


class KeyFileError(PkdoorsError):
    """The file cannot be read, or others can write it."""


class KeyFile:
    """
    @param path: the file.
    @param seconds: a clock that does not jump.
    """

    _log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._looked = -inf  # when we last looked at it
        self._state: State | None = None
        self._keys: list[AuthorizedKey] = []
        self._trouble = Trouble()

    def prepare(self) -> None:
        """
        See that it can be used.

        @raise KeyFileError: it cannot, or has no key.
        """
        self._looked = -inf
        if not self.keys():
            error = KeyFileError(
                self._trouble.text
                or f"{self._path} has no key that may knock: "
                "put lines of ssh-keygen's .pub files there"
            )
            error.isLogged = bool(self._trouble)
            raise error

    def keys(self) -> list[AuthorizedKey]:
        """
        The keys as they are now. Where the file is gone, or others can write it, there are none:
        sshd does the same.
        """
        now = self._seconds()
        if now - self._looked >= FRESH:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            state = _state(safePath(self._path))
            if state != self._state or self._trouble:
                self._read()
                self._state = state
                self._trouble.end()
        except (KeyFileError, OSError) as error:
            self._complain(str(error))

    def _read(self) -> None:
        self._keys, complaints = readKeys(self._path)
        for complaint in complaints:
            self._log.warn("{complaint}", complaint=complaint)
        self._log.info(
            "{count} of the keys in {path} may knock", count=len(self._keys), path=self._path
        )

    def _complain(self, trouble: str) -> None:
        self._keys = []
        if self._trouble.begin(trouble):
            self._log.error("nobody may knock with a key: {trouble}", trouble=trouble)


def _state(path: Path) -> State:
    now = path.stat()
    # With the permissions: the kernel's clock ticks slowly, and two changes may have one time.
    changes = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_mode, now.st_uid)
    return now.st_dev, now.st_ino, *changes


def safePath(path: Path) -> Path:
    """
    Return where a file really is that decides who comes in. Nobody but root and ourselves may be
    able to change it; L{pkdoors.files.trust}.

    @raise KeyFileError: it is not there, or somebody may.
    """
    try:
        flaw = flawOf(path)
        whole = Path(os.path.realpath(path, strict=True))  # resolve() has errors of its own
    except OSError as error:
        raise _unreadable(path, error) from error
    if flaw is not None:
        raise KeyFileError(str(flaw))
    return whole


def readKeys(path: Path) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Return the keys of a file, and a sentence for each line that is refused; of many such lines,
    the first ones, and how many more there are.

    @raise KeyFileError: it cannot be read, or others can write it.
    """
    whole = safePath(path)
    try:
        text = readFile(whole, MAX_BYTES).text(errors="replace")
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise KeyFileError(f"cannot read {path}: {error}") from None
    keys, complaints = parseAuthorizedKeys(text, str(path))
    return keys, foremost(complaints, "lines are refused")


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    if isinstance(error, PermissionError):
        return KeyFileError(
            f"cannot read {path} ({error.strerror}), which has the keys that may knock: "
            "`pkdoors install-service` lets the service read it, but not below /home or /root"
        )
    return KeyFileError(
        f"cannot read {path} ({error.strerror}): it has the keys that may knock, "
        "lines of ssh-keygen's .pub files"
    )
