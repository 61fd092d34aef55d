"""Makes the locks of doors, and what sealed ones need around them."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from pkdoors.doors import Door
from pkdoors.errors import PkdoorsError
from pkdoors.locks import AnyLock, SequenceLock

if TYPE_CHECKING:
    from pkdoors.seals.authorizedfile import KeyFile
    from pkdoors.seals.seen import Seen
    from pkdoors.seals.seenfile import SeenFile

_NOBODY = "nobody may knock with a key: {}"


class Locksmith:
    """
    @param seenFile: where this daemon tells the next one what it saw; L{None} for nowhere.
    @param seconds: the clock that the locks get, which does not jump.
    """

    _log = Logger()

    def __init__(
        self,
        doors: Iterable[Door],
        seenFile: "SeenFile | None" = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sealed: set[str] = set()  # the locks look at it, too
        self._hasStarted = False
        self._paths: list[str] = []
        self._told: list[str] = []
        self.adopt(doors)
        self._seenFile = seenFile
        self._seconds = seconds
        self._keyFiles: dict[str, KeyFile] = {}
        self._seen: Seen | None = None

    def make(self, door: Door) -> AnyLock:
        """The lock of a door."""
        if not door.authorizedKeys:
            return SequenceLock(door)
        # Only here: who knocks plainly has no need of all the cryptography.
        from pkdoors.seals.sealedlock import SealedLock
        from pkdoors.seals.seen import Seen

        if self._seen is None:
            note = self._seenFile.note if self._seenFile else lambda name, stamp: None
            self._seen = Seen(self._seconds(), note)
            self._learn()
        return SealedLock(door, self._keyFile(door.authorizedKeys).keys, self._seen, self._sealed)

    def _keyFile(self, path: str) -> "KeyFile":
        from pkdoors.seals.authorizedfile import KeyFile

        if path not in self._keyFiles:
            self._keyFiles[path] = KeyFile(path, self._seconds)
        return self._keyFiles[path]

    def examine(self) -> list[str]:
        """
        Return what keeps people from knocking at the doors, a sentence each; what is new of that is
        logged. Such a door is guarded all the same.
        """
        found = {path: self._keyTrouble(path) for path in dict.fromkeys(self._paths)}
        told, self._told = self._told, [str(each) for each in found.values() if each]
        for each in filter(None, found.values()):
            if not each.isLogged and str(each) not in told:
                self._log.error("{trouble}", trouble=_NOBODY.format(each))
        return [_NOBODY.format(each) for each in self._told]

    def _keyTrouble(self, path: str) -> PkdoorsError | None:
        try:
            self._keyFile(path).prepare()
        except PkdoorsError as error:
            return error
        return None

    def adopt(self, doors: Iterable[Door]) -> None:
        """These are all the doors from now on."""
        doors = tuple(doors)
        self._paths = [door.authorizedKeys for door in doors if door.authorizedKeys]
        self._sealed.clear()
        self._sealed.update(door.name for door in doors if door.authorizedKeys)

    def start(self) -> None:
        """Learn what an earlier daemon saw."""
        self._hasStarted = True
        self._learn()

    def _learn(self) -> None:
        if self._hasStarted and self._seen is not None and self._seenFile is not None:
            self._seen.load(self._seenFile.load())
