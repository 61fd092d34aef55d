"""The file of revoked keys, which is read again whenever it changes."""

import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from twisted.logger import Logger

from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.files.marks import Mark, readMark
from pkdoors.files.reading import readFile
from pkdoors.files.trust import findFlaw
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.revocations import Revocations, parseRevocations
from pkdoors.util.trouble import Trouble

MAX_BYTES = 1 << 19
"""Of the file: 5,000 lines with keys, or 14,000 hashes of keys in a list of C{ssh-keygen -k}, whose
ranges of serial numbers take hardly any room. Reading it takes 10 ms."""
FRESH = 0.01
"""Seconds between two looks at the file: each checks all the folders above."""


class RevokedFileError(PkdoorsError):
    """The file cannot be used, so nobody may knock."""


class RevokedFile:
    """
    The revoked keys and certificates of a file, as they are now. As in sshd, nobody may knock while
    the file cannot be used.

    @param path: the file.
    @param seconds: a clock that does not jump.
    """

    _log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._looked = -inf
        self._mark: Mark | None = None
        self._revoked = Revocations()
        self._trouble = Trouble()

    def prepare(self) -> None:
        """
        Check that the file can be used.

        @raise RevokedFileError: it cannot. It is in the log.
        """
        self._looked = -inf
        self._look()
        if self._trouble:
            error = RevokedFileError(self._trouble.text)
            error.isLogged = True
            raise error

    def findRefusal(self, key: AuthorizedKey) -> str:
        """Return why a key may not knock, as the file is now; empty if it may."""
        if self._seconds() - self._looked >= FRESH:
            self._look()
        if self._trouble:
            return f"nobody may knock with a key: {self._trouble.text}"
        what = key.findRevoked(self._revoked)
        return f"the {what} of {key} is revoked" if what else ""

    def _look(self) -> None:
        self._looked = self._seconds()
        try:
            self._read()
            self._trouble.end()
        except RevokedFileError as error:
            if self._trouble.begin(str(error)):
                self._log.error("nobody may knock with a key: {trouble}", trouble=str(error))

    def _read(self) -> None:
        mark = _checkFile(self._path)
        if mark == self._mark and not self._trouble:
            return
        self._revoked = readRevoked(self._path)
        self._mark = mark
        count = len(self._revoked)
        entries = "1 entry" if count == 1 else f"{count} entries"
        self._log.info("{path} revokes keys with {entries}", path=self._path, entries=entries)


def readRevoked(path: Path) -> Revocations:
    """
    Read a file of revoked keys.

    @raise RevokedFileError: it cannot be read or understood, or other users can change it.
    """
    _checkFile(path)
    try:
        return parseRevocations(readFile(path, MAX_BYTES).data)
    except OSError as error:
        raise _makeError(path, error) from error
    except (BadValue, ValueError) as error:
        raise RevokedFileError(f"cannot use the revoked keys in {path}: {error}") from error


def _checkFile(path: Path) -> Mark:
    """Return the mark of a file, if nobody else can change it."""
    try:
        flaw = findFlaw(path)
        mark = readMark(path)
    except OSError as error:
        raise _makeError(path, error) from error
    if flaw is not None:
        raise RevokedFileError(str(flaw))
    return mark


def _makeError(path: Path, error: OSError) -> RevokedFileError:
    return RevokedFileError(
        f"cannot read {path} ({error.strerror}), the file of revoked keys: make it, even if it is "
        "empty, and let the service read it (`pkdoors install-service` does)"
    )
