"""Makes the locks of doors, and what sealed ones need around them."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pkdoors.doors import Door
from pkdoors.locks import AnyLock, SequenceLock

if TYPE_CHECKING:
    from pkdoors.seals.authorizedfile import KeyFile
    from pkdoors.seals.seen import Seen
    from pkdoors.seals.seenfile import SeenFile


class Locksmith:
    """
    @param seenFile: where this daemon tells the next one what it saw; L{None} for nowhere.
    @param seconds: the clock that the locks get, which does not jump.
    """

    def __init__(
        self,
        doors: Iterable[Door],
        seenFile: "SeenFile | None" = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sealed: set[str] = set()  # the locks look at it, too
        self._hasStarted = False
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
        return SealedLock(door, self._keyFile(door).keys, self._seen, self._sealed)

    def _keyFile(self, door: Door) -> "KeyFile":
        from pkdoors.seals.authorizedfile import KeyFile

        path = door.authorizedKeys
        if path not in self._keyFiles:
            self._keyFiles[path] = KeyFile(path, self._seconds)
        return self._keyFiles[path]

    def prepare(self, doors: Iterable[Door]) -> None:
        """
        See that the keys of doors can be read.

        @raise PkdoorsError: they cannot.
        """
        for door in doors:
            if door.authorizedKeys:
                self._keyFile(door).prepare()

    def adopt(self, doors: Iterable[Door]) -> None:
        """These are all the doors from now on."""
        self._sealed.clear()
        self._sealed.update(door.name for door in doors if door.authorizedKeys)

    def start(self) -> None:
        """Learn what an earlier daemon saw."""
        self._hasStarted = True
        self._learn()

    def _learn(self) -> None:
        if self._hasStarted and self._seen is not None and self._seenFile is not None:
            self._seen.load(self._seenFile.load())
