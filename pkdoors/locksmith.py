"""Makes the locks of doors, and what sealed ones need around them."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pkdoors.doors import Door
from pkdoors.locks import Lock, SequenceLock

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
        self._sealed = {door.name for door in doors if door.authorizedKeys}
        self._seenFile = seenFile
        self._seconds = seconds
        self._keyFiles: dict[str, KeyFile] = {}
        self._seen: Seen | None = None

    def make(self, door: Door) -> Lock:
        """The lock of a door."""
        if not door.authorizedKeys:
            return SequenceLock(door)
        # Only here: who knocks plainly has no need of all the cryptography.
        from pkdoors.seals.authorizedfile import KeyFile
        from pkdoors.seals.sealedlock import SealedLock
        from pkdoors.seals.seen import Seen

        path = door.authorizedKeys
        if self._seen is None:
            note = self._seenFile.note if self._seenFile else lambda name, stamp: None
            self._seen = Seen(self._seconds(), note)
        keys = self._keyFiles.setdefault(path, KeyFile(path))
        return SealedLock(door, keys.keys, self._seen, self._sealed)

    def prepare(self) -> None:
        """
        See that the keys can be read.

        @raise PkdoorsError: they cannot.
        """
        for keys in self._keyFiles.values():
            keys.prepare()

    def start(self) -> None:
        """Learn what an earlier daemon saw."""
        if self._seen is not None and self._seenFile is not None:
            self._seen.load(self._seenFile.load())
