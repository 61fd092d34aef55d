"""A folder with files of authorized keys, like sshd's C{authorized_keys.d}: one for each person."""

import os
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from twisted.logger import Logger

from pkdoors.files.trust import findEntryFlaw, findFlaw
from pkdoors.keysources.keyreader import KeyFileError, KeyReader, Later, Work, makeError
from pkdoors.keysources.keyuse import KeyUse
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keylines import MAX_KEYS
from pkdoors.util.oneline import limitLines
from pkdoors.util.trouble import Trouble

MAX_FILES = 16_384
"""Files in a folder."""
FEW = 32
"""Files that are all looked at for each knock, as L{pkdoors.keysources.keyfile} does, in 1 ms."""
FRESH, SWEEP_EVERY = 0.01, 1.0
"""Seconds between two looks at the folder, and between two looks at all of very many files. In
between, the file of a knock's own key is looked at, so a key that is gone opens nothing."""
LEFT_BEHIND = (
    *("~", ".bak", ".old", ".orig", ".rej", ".save", ".swp", ".tmp", ".disabled"),
    *(".rpmsave", ".rpmnew", ".rpmorig", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp"),
)
"""How names end of what editors, package managers and people leave: former keys may be in there."""


def isKeyFile(name: str) -> bool:
    """Return whether a file of the folder counts, by its name."""
    return not name.startswith((".", "#")) and not name.endswith(LEFT_BEHIND)


class KeyFolder:
    """
    The keys in the files of a folder, as they are now. Folders in it do not count.

    @param path: the folder.
    @param seconds: a clock that does not jump.
    @ivar later: looks at very many files; L{None} to do so at once.
    @ivar use: what uses the keys.
    """

    _log = Logger()

    def __init__(self, path: str, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._looked = self._swept = -inf
        self._isSweeping = self._isReading = False
        self._files: dict[str, KeyReader] = {}
        self._flaws: dict[str, str] = {}  # of files that cannot be used
        self._owners: dict[int, KeyReader] = {}  # the file of each key, by the key's id
        self._keys: list[AuthorizedKey] = []
        self._trouble = Trouble()
        self.later: Later | None = None
        self.use = KeyUse()

    def prepare(self) -> None:
        """
        Check that the folder can be used. If it has very many files, some may be read only later.

        @raise KeyFileError: it cannot, or it has no key.
        """
        self._looked = self._swept = -inf
        if not self.keys() and not self._isSweeping:
            error = KeyFileError(
                self._trouble.text
                or next(iter(self.complaints()), "")
                or f"no file in {self._path} has a key that may knock: put ssh-keygen's .pub files "
                "there"
            )
            error.isLogged = bool(self._trouble)
            error.isEmpty = not (error.isLogged or self.complaints())
            raise error

    def keys(self) -> list[AuthorizedKey]:
        """Return the keys as they are now; of very many files, as they were a second ago."""
        now = self._seconds()
        if now - self._looked >= FRESH:
            self._looked = now
            self._look(now)
        return self._keys

    def confirm(self, key: AuthorizedKey) -> None:
        """Look whether the file of a key has changed."""
        file = self._owners.get(id(key))
        if file is None:
            return
        before = file.keys
        try:
            isChanged = self._read(file)
        except KeyFileError:
            isChanged = True
        if isChanged:
            self._exchange(before, file)

    def complaints(self) -> list[str]:
        """Return a sentence for each file, and each kind of line, that is refused."""
        found = list(self._flaws.values())
        for file in self._files.values():
            found += file.complaints()
        if sum(len(file.keys) for file in self._files.values()) > MAX_KEYS:
            found.append(f"{self._path} has more than {MAX_KEYS} keys: some of them may not knock")
        return limitLines(found, "faults in its files")

    def _look(self, now: float) -> None:
        try:
            self._checkFolder()
        except KeyFileError as error:
            self._files, self._flaws, self._swept = {}, {}, -inf
            self._collect()
            if self._trouble.begin(str(error)):
                self._log.error("{trouble}", trouble=self.use.describeTrouble(error))
            return
        self._trouble.end()
        if self.later is None or (len(self._files) <= FEW and not self._isSweeping):
            self._sweepAtOnce()
        elif not self._isSweeping and now - self._swept >= SWEEP_EVERY:
            self._isSweeping = True
            self.later(self._sweep())

    def _sweepAtOnce(self) -> None:
        work = self._sweep()
        for number, _ in enumerate(work):
            if self.later is not None and number > 2 * FEW:  # there are many new ones
                self._isSweeping = True
                self.later(work)
                return

    def _checkFolder(self) -> None:
        try:
            flaw = findFlaw(self._path)
        except OSError as error:
            raise makeError(self._path, error) from error
        if flaw is not None:
            raise KeyFileError(str(flaw))

    def _sweep(self) -> Work:
        """Look at all files, one in each step."""
        isChanged = False
        try:
            there: set[str] = set()
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if isKeyFile(entry.name) and entry.is_file() and len(there) < MAX_FILES:
                        there.add(entry.name)
                        isChanged = self._lookAt(entry.name) or isChanged
                        yield entry.name
            for name in self._files.keys() - there:
                del self._files[name]
                self._flaws.pop(name, None)
                isChanged = True
        except OSError as error:
            self._log.warn("cannot list {path}: {error}", path=self._path, error=error)
        finally:
            self._isSweeping = False
            self._swept = self._seconds()
        if isChanged:
            self._collect()
            self._report()

    def _lookAt(self, name: str) -> bool:
        """Look at a file. Return whether anything about it has changed."""
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = KeyReader(self._path / name, findEntryFlaw)
        try:
            isChanged = self._read(file)
        except KeyFileError as error:
            isNew = self._flaws.get(name) != str(error)
            self._flaws[name] = str(error)
            return isNew
        return bool(self._flaws.pop(name, "")) or isChanged

    def _read(self, file: KeyReader) -> bool:
        """Read a file if it has changed. If it has very many lines, they count later."""
        self._isReading = True
        try:
            return file.look(self.later, self._onRead)
        finally:
            self._isReading = False

    def _onRead(self) -> None:
        if not self._isReading:  # later
            self._collect()
            self._report()

    def _exchange(self, before: list[AuthorizedKey], file: KeyReader) -> None:
        """Exchange the keys of one file. To collect all of them again would take 15 ms."""
        gone = set(map(id, before))
        self._keys = [*(key for key in self._keys if id(key) not in gone), *file.keys][:MAX_KEYS]
        for number in gone:
            self._owners.pop(number, None)
        self._owners.update((id(key), file) for key in file.keys)

    def _collect(self) -> None:
        files = [file for _, file in sorted(self._files.items())]
        owned = [(key, file) for file in files for key in file.keys]
        self._keys = [key for key, _ in owned[:MAX_KEYS]]
        self._owners = {id(key): file for key, file in owned}

    def _report(self) -> None:
        for complaint in self.complaints():
            self._log.warn("{complaint}", complaint=complaint)
        self._log.info(
            "{count} of the keys in {path} may knock, in {files}",
            count=self.use.count(self._keys),
            path=self._path,
            files="1 file" if len(self._files) == 1 else f"{len(self._files)} files",
        )
