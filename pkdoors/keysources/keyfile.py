"""A file of authorized keys, which is read again whenever it changes."""

import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from twisted.logger import Logger

from pkdoors.keysources.keyreader import KeyFileError, KeyReader, Later
from pkdoors.keysources.keyuse import KeyUse
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.util.oneline import limitLines
from pkdoors.util.trouble import Trouble

FRESH = 0.01
"""Seconds between two looks at the file. Each takes 60 us, since it checks all the folders above,
and under a flood of seals the daemon would do hardly anything else."""


class KeyFile:
    """
    The keys in a file, as they are now.

    @param path: the file.
    @param seconds: a clock that does not jump.
    @ivar later: parses very many new lines; L{None} to parse them at once.
    @ivar use: what uses the keys.
    """

    _log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._looked = -inf  # when we last looked at it
        self._reader = KeyReader(path)
        self._trouble = Trouble()
        self.later: Later | None = None
        self.use = KeyUse()

    def prepare(self) -> None:
        """
        Check that the file can be used. If it is very large and has changed, it may be read only
        later, with a line in the log.

        @raise KeyFileError: it cannot, or it has no key.
        """
        self._looked = -inf
        if not self.keys() and not self._reader.isReading:
            error = KeyFileError(self._trouble.text or self._explainNoKey())
            error.isLogged = bool(self._trouble)
            error.isEmpty = not (error.isLogged or self._reader.complaints())
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
        return self._reader.keys

    def confirm(self, key: AuthorizedKey) -> None:
        """Look whether a key has changed: L{keys} did so."""

    def _explainNoKey(self) -> str:
        """Return why no line has a key that may knock: the first reason, if there are several."""
        if complaints := self._reader.complaints():
            return complaints[0]
        return f"{self._path} {NO_KEY}"

    def _look(self) -> None:
        try:
            self._reader.look(self.later, self._report)
            self._trouble.end()
        except KeyFileError as error:
            if self._trouble.begin(str(error)):
                self._log.error("{trouble}", trouble=self.use.describeTrouble(error))

    def _report(self) -> None:
        """Report what was read."""
        for complaint in limitLines(self._reader.complaints(), "kinds of lines are refused"):
            self._log.warn("{complaint}", complaint=complaint)
        count = self.use.count(self._reader.keys)
        self._log.info(
            "{count} of the keys in {path} {right}",
            count=count,
            path=self._path,
            right=self.use.right,
        )


NO_KEY = "has no key that may knock: add lines from ssh-keygen's .pub files"


def readKeys(path: Path) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Return the keys of a file, and a sentence for each kind of line that is refused; if there are
    many, the first ones, and how many more there are.

    @raise KeyFileError: the file cannot be read, or other users can write it.
    """
    reader = KeyReader(path)
    reader.look()
    return reader.keys, limitLines(reader.complaints(), "kinds of lines are refused")
