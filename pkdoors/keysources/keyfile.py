"""The file of authorized keys, which is read again whenever it changes."""

import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.files.reading import readFile
from pkdoors.files.trust import findFlaw
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.util.oneline import limitLines
from pkdoors.util.trouble import Trouble

MAX_BYTES = 1 << 20
"""Of the file: far more than the largest number of keys needs."""

FRESH = 0.01
"""Seconds between two looks at the file. Each takes 0.1 ms, since it checks all the folders above,
and under a flood of seals the daemon would do hardly anything else."""

State = tuple[int, ...]
"""The data about a file that change with its content or its permissions."""


class KeyFileError(PkdoorsError):
    """The file cannot be read, or other users can write it."""


class KeyFile:
    """
    The keys in a file, as they are now.

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
        Check that the file can be used.

        @raise KeyFileError: it cannot, or it has no key.
        """
        self._looked = -inf
        if not self.keys():
            error = KeyFileError(
                self._trouble.text
                or f"{self._path} has no key that may knock: add lines from ssh-keygen's .pub files"
            )
            error.isLogged = bool(self._trouble)
            raise error

    def keys(self) -> list[AuthorizedKey]:
        """
        Return the keys as they are now. If the file is gone, or other users can write it, there are
        none: sshd does the same.
        """
        now = self._seconds()
        if now - self._looked >= FRESH:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            state = _readState(resolveSafely(self._path))
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


def _readState(path: Path) -> State:
    now = path.stat()
    # Including the permissions: the kernel's clock ticks slowly, and two changes can have one time.
    changes = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_mode, now.st_uid)
    return now.st_dev, now.st_ino, *changes


def resolveSafely(path: Path) -> Path:
    """
    Return the real path of a file that decides which clients get in. Only root and our own user may
    be able to change it; see L{pkdoors.files.trust}.

    @raise KeyFileError: the file does not exist, or other users can change it.
    """
    try:
        flaw = findFlaw(path)
        whole = Path(os.path.realpath(path, strict=True))  # resolve() has errors of its own
    except OSError as error:
        raise _makeError(path, error) from error
    if flaw is not None:
        raise KeyFileError(str(flaw))
    return whole


def readKeys(path: Path) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Return the keys of a file, and a sentence for each line that is refused; if there are many such
    lines, the first ones, and how many more there are.

    @raise KeyFileError: the file cannot be read, or other users can write it.
    """
    whole = resolveSafely(path)
    try:
        text = readFile(whole, MAX_BYTES).text(errors="replace")
    except OSError as error:
        raise _makeError(path, error) from error
    except ValueError as error:
        raise KeyFileError(f"cannot read {path}: {error}") from None
    keys, complaints = parseAuthorizedKeys(text, str(path))
    return keys, limitLines(complaints, "lines are refused")


def _makeError(path: Path, error: OSError) -> KeyFileError:
    if isinstance(error, PermissionError):
        return KeyFileError(
            f"cannot read {path} ({error.strerror}), the file of authorized keys: "
            "`pkdoors install-service` lets the service read it, but not below /home or /root"
        )
    return KeyFileError(
        f"cannot read {path} ({error.strerror}), the file of authorized keys: "
        "fill it with lines from ssh-keygen's .pub files"
    )
