"""Reads a file of authorized keys again whenever it changes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pkdoors.errors import PkdoorsError
from pkdoors.files.marks import Mark, readMark
from pkdoors.files.reading import readFile
from pkdoors.files.trust import Flaw, findFlaw
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keylines import KeyLines

MAX_BYTES = 1 << 23
"""Of a file: 500 bytes for each of the most keys. Reading so many takes 10 ms."""
AT_ONCE = 50
"""New lines that are parsed at once, which takes 1 to 3 ms; more than that are parsed in slices."""

Work = Iterator[object]
"""Work in small steps."""
Later = Callable[[Work], None]
"""Does work in slices, beside everything else."""


class KeyFileError(PkdoorsError):
    """
    The file cannot be read, other users can write it, or it has no key.

    @ivar isEmpty: whether it is merely empty.
    """

    isEmpty = False


class KeyReader:
    """
    The keys in one file.

    @param findFlaw: see L{findFlaw}.
    @ivar keys: those that are known; a new list whenever they change.
    @ivar isReading: whether new lines are still being parsed.
    """

    def __init__(
        self,
        path: str | Path,
        findFlaw: Callable[[Path], Flaw | None] = findFlaw,
    ) -> None:
        self._path = Path(path)
        self._findFlaw = findFlaw
        self._lines = KeyLines(str(path))
        self._mark: Mark | None = None
        self.keys: list[AuthorizedKey] = []
        self.isReading = False

    def look(self, later: Later | None = None, onRead: Callable[[], None] = lambda: None) -> bool:
        """
        Look at the file, and read it if it has changed. What is still in it counts on, and what is
        gone counts no longer, at once. Return whether the keys, or the complaints, have changed.

        @param later: parses many new lines; then C{onRead} is called at the end. L{None} for now.
        @raise KeyFileError: the file cannot be used. Then it has no keys.
        """
        try:
            whole = resolveSafely(self._path, self._findFlaw)
            mark = readMark(whole)
            if mark == self._mark:
                return False
            count = self._lines.load(_readText(self._path, whole))
        except (KeyFileError, OSError) as error:
            self._mark, self.keys, self.isReading = None, [], False
            if isinstance(error, KeyFileError):
                raise
            raise makeError(self._path, error) from error
        self._mark, self.isReading = mark, True
        work = self._parse(mark, onRead)
        if later is not None and count > AT_ONCE:
            self.keys = self._lines.keys
            later(work)
        else:
            for _ in work:
                pass
        return True

    def complaints(self) -> list[str]:
        """See L{KeyLines.complaints}."""
        return self._lines.complaints()

    def _parse(self, mark: Mark, onRead: Callable[[], None]) -> Work:
        for step in self._lines.parse():
            yield step
            if self._mark != mark:  # the file has changed again, so others do this
                return
        self.isReading, self.keys = False, self._lines.keys
        onRead()


def resolveSafely(path: Path, findFlaw: Callable[[Path], Flaw | None] = findFlaw) -> Path:
    """
    Return the real path of a file that decides which clients get in. Only root and our own user may
    be able to change it; see L{pkdoors.files.trust}.

    @raise KeyFileError: the file does not exist, or other users can change it.
    """
    try:
        flaw = findFlaw(path)
        whole = Path(os.path.realpath(path, strict=True))  # resolve() has errors of its own
    except OSError as error:
        raise makeError(path, error) from error
    if flaw is not None:
        raise KeyFileError(str(flaw))
    return whole


def _readText(path: Path, whole: Path) -> str:
    try:
        return readFile(whole, MAX_BYTES).text(errors="replace")
    except ValueError as error:
        raise KeyFileError(f"cannot read {path}: {error}") from None


def makeError(path: Path, error: OSError) -> KeyFileError:
    """Return the sentence for a file that cannot be read."""
    if isinstance(error, PermissionError):
        return KeyFileError(
            f"cannot read {path} ({error.strerror}), the file of authorized keys: "
            "`pkdoors install-service` lets the service read it, but not below /home or /root"
        )
    return KeyFileError(
        f"cannot read {path} ({error.strerror}), the file of authorized keys: "
        "fill it with lines from ssh-keygen's .pub files"
    )
