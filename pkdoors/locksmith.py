"""Makes the locks of doors, and what sealed ones need around them."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pkdoors.doors import Door
from pkdoors.locks import Lock, SequenceLock
from pkdoors.seals.sealchecks import SealChecks

if TYPE_CHECKING:
    from pkdoors.seals.authorizedfile import KeyFile
    from pkdoors.seals.hints import HintIndex
    from pkdoors.seals.seen import Seen
    from pkdoors.seals.seenfile import SeenFile


class Locksmith:
    """
    @param seenFile: where this daemon tells the next one what it saw; L{None} for nowhere.
    @param seconds: the clock that the locks get, which does not jump.
    @param cost: processor time that this thread has taken so far, in seconds.
    @ivar checks: what the sealed locks share.
    """

    def __init__(
        self,
        doors: Iterable[Door],
        seenFile: "SeenFile | None" = None,
        seconds: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self.checks = SealChecks(cost)
        self._sealed: set[str] = set()  # the locks look at it, too
        self._skew = 0.0  # the most of all sealed doors
        self._hasStarted = False
        self.adopt(doors)
        self._seenFile = seenFile
        self._seconds = seconds
        self._keyFiles: dict[str, KeyFile] = {}
        self._hints: dict[str, HintIndex] = {}  # by the path of the file, too
        self._seen: Seen | None = None

    def make(self, door: Door) -> Lock:
        """The lock of a door."""
        if not door.authorizedKeys:
            return SequenceLock(door)
        # Only here: who knocks plainly has no need of all the cryptography.
        from pkdoors.seals.sealedlock import SealedLock
        from pkdoors.seals.seen import Seen

        if self._seen is None:
            note = self._seenFile.note if self._seenFile else lambda key, nonce, stamp: None
            self._seen = Seen(self._seconds(), note)
            self._learn()
        return SealedLock(door, self._hintsOf(door), self._seen, self.checks, self._sealed)

    def _hintsOf(self, door: Door) -> "HintIndex":
        from pkdoors.seals.hints import HintIndex

        path = door.authorizedKeys
        if path not in self._hints:
            self._hints[path] = HintIndex(self._keyFile(door).keys)
        return self._hints[path]

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
        sealed = [door for door in doors if door.authorizedKeys]
        self._sealed.clear()
        self._sealed.update(door.name for door in sealed)
        self._skew = max((door.clockSkew for door in sealed), default=0.0)
        self.checks.keep(lambda lock: lock.door in sealed)

    def start(self) -> None:
        """Learn what an earlier daemon saw."""
        self._hasStarted = True
        self._learn()

    def _learn(self) -> None:
        if self._hasStarted and self._seen is not None and self._seenFile is not None:
            self._seenFile.start(self._seen, self._skew)

    def forgetWaiting(self) -> None:
        """No knock that waits to be checked opens anything from now on."""
        self.checks.keep(lambda lock: False)

    def stop(self) -> None:
        """Leave what was seen to the next daemon, in order."""
        if self._seenFile is not None:
            self._seenFile.close()
