"""Makes the locks of doors, and what sealed locks share."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.locks.lockset import AnyLock
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.doors import Door

if TYPE_CHECKING:
    from pkdoors.daemon.notes.fleetnotes import FleetNotes
    from pkdoors.daemon.notes.replayfile import ReplayFile
    from pkdoors.keysources.keypath import KeySource
    from pkdoors.keysources.keyreader import Later
    from pkdoors.keysources.keyuse import KeyUse
    from pkdoors.keysources.revokedfile import RevokedFile
    from pkdoors.locks.relayed.memory import FleetMemory
    from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
    from pkdoors.locks.sealed.checking.arrivals import Arrivals
    from pkdoors.locks.sealed.hints import HintIndex
    from pkdoors.locks.sealed.keytable import KeyTable
    from pkdoors.locks.sealed.replays import ReplayCache
    from pkdoors.locks.sealed.sealjudge import SealJudge


class Locksmith:
    """
    Makes locks. All sealed locks share one queue of checks, one table of
    datagrams that are not complete, one cache of the knocks that were seen,
    and one file of notes for the next daemon. Doors with the same file of keys share those keys.

    @param makeReplayFile: makes the file where this daemon notes for the next one what it saw; only
        called if there is a sealed door. L{None} for no notes.
    @param seconds: the clock for the locks, which does not jump.
    @param cost: returns the processor time that this thread has used so far, in seconds.
    @ivar checks: the queue of checks.
    @ivar onKeys: called when keys have changed; L{tagKeys} may have work then.
    """

    _log = Logger()

    def __init__(
        self,
        doors: Iterable[Door],
        makeReplayFile: "Callable[[], ReplayFile] | None" = None,
        seconds: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self.checks = SealChecks(cost)
        self._arrivals: Arrivals | None = None
        self._skew = 0.0  # the most that any sealed door has allowed
        self._hasStarted = False
        self._paths: list[str] = []
        self._revokedPaths: list[str] = []
        self._reported: list[str] = []
        self._idle: list[str] = []
        self._makeReplayFile = makeReplayFile
        self._replayFile: ReplayFile | None = None
        self._fleetNotes: FleetNotes | None = None
        self._seconds = seconds
        self.setDoors(doors)
        self._keyFiles: dict[str, KeySource] = {}
        self._revokedFiles: dict[str, RevokedFile] = {}
        self._hints: dict[tuple[str, ...], HintIndex] = {}  # by the paths
        self._tables: dict[str, KeyTable] = {}
        self._later: Later | None = None
        self._seen: ReplayCache | None = None
        self.onKeys: Callable[[], None] = lambda: None

    def make(self, door: Door) -> AnyLock:
        """Return a new lock for a door."""
        if not door.authorizedKeys:
            return SequenceLock(door)
        # Only here: a daemon without sealed doors does not need all the cryptography.
        from pkdoors.locks.sealed.checking.arrivals import Arrivals
        from pkdoors.locks.sealed.replays import ReplayCache
        from pkdoors.locks.sealed.sealedlock import SealedLock

        self._made.append(door)
        self._allow(door.clockSkew)
        self._prepareFleet([door])
        if self._seen is None:
            self._replayFile = self._makeReplayFile() if self._makeReplayFile else None
            note = self._replayFile.note if self._replayFile else lambda key, nonce, stamp: None
            self._seen = ReplayCache(self._seconds(), note)
            self._learn()
        if self._arrivals is None:
            self._arrivals = Arrivals()
        lock = SealedLock(door, self._hintsOf(door), self._seen, self.checks, self._arrivals)
        lock.judge.findMemory = lambda: self.memory
        lock.judge.findRevoked = lambda key: self._findRevoked(door.revokedKeys, key)
        return lock

    def _findRevoked(self, path: str, key: "AuthorizedKey") -> str:
        """Return why a key may not knock, because it is banned or revoked; empty if it may."""
        if self.memory is not None and (reason := self.memory.bans.findRefusal(key)):
            return reason
        return self._revokedFile(path).findRefusal(key) if path else ""

    def judgeOf(self, lock: AnyLock | None) -> "SealJudge | None":
        """Return what judges the relayed seals for a lock; L{None} if its door is not a fleet's."""
        from pkdoors.locks.sealed.sealedlock import SealedLock

        return lock.judge if isinstance(lock, SealedLock) and lock.door.fleet else None

    def _hintsOf(self, door: Door) -> "HintIndex":
        from pkdoors.locks.sealed.hints import HintIndex

        paths = door.authorizedKeys
        if paths not in self._hints:
            tables = [self._tableOf(path) for path in paths]
            self._hints[paths] = HintIndex(tables, lambda: self.onKeys())
        return self._hints[paths]

    def _tableOf(self, path: str) -> "KeyTable":
        from pkdoors.locks.sealed.keytable import KeyTable

        if path not in self._tables:
            # By the path each time, since a file can become a folder.
            self._tables[path] = KeyTable(
                lambda: self._keyFile(path).keys(), lambda key: self._keyFile(path).confirm(key)
            )
        return self._tables[path]

    def readBeside(self, later: "Later") -> None:
        """Read key files beside everything else from now on, and make the tags that are missing."""
        self._later = later
        for file in self._keyFiles.values():
            file.later = later

    def tagKeys(self, today: float) -> bool:
        """
        Make the tags of keys that are missing, beside everything else. Return whether any keys have
        tags, so this must be called again before another hour begins.
        """
        for table in self._tables.values():
            if self._later is not None and table.hasWork(today, self._skew):
                self._later(table.work(today, self._skew))
        return any(table.isTagged for table in self._tables.values())

    def _keyFile(self, path: str) -> "KeySource":
        from pkdoors.keysources.keypath import openKeys

        if path not in self._keyFiles:
            self._keyFiles[path] = openKeys(path, self._seconds)
            self._keyFiles[path].later = self._later
            self._keyFiles[path].use = self._useOf(path)
        return self._keyFiles[path]

    def _revokedFile(self, path: str) -> "RevokedFile":
        from pkdoors.keysources.revokedfile import RevokedFile

        if path not in self._revokedFiles:
            self._revokedFiles[path] = RevokedFile(path, self._seconds)
        return self._revokedFiles[path]

    def examine(self) -> list[str]:
        """
        Return why nobody can knock on some doors, a sentence for each file of keys, and log what is
        new of that. These doors are guarded all the same.
        """
        found = {path: self._checkKeys(path) for path in dict.fromkeys(self._paths)}
        for path in self._revokedPaths:
            found[path] = found.get(path) or self._checkRevoked(path)
        before, self._reported = self._reported, []
        for path, error in found.items():
            if error is not None:
                trouble = self._useOf(path).describeTrouble(error)
                self._reported.append(trouble)
                if not error.isLogged and trouble not in before:
                    self._log.error("{trouble}", trouble=trouble)
        self._warnIdle()
        return list(self._reported)

    def _warnIdle(self) -> None:
        """Log which keys open nothing, if that is new."""
        found = [line for path in dict.fromkeys(self._paths) for line in self._listIdle(path)]
        before, self._idle = self._idle, found
        for line in found:
            if line not in before:
                self._log.warn("{line}", line=line)

    def _listIdle(self, path: str) -> list[str]:
        from pkdoors.keysources.keypath import listIdle

        doors = {door.name for door in self._usersOf(path)}
        return listIdle(path, self._keyFile(path).keys(), doors, time.time())

    def _checkKeys(self, path: str) -> PkdoorsError | None:
        from pkdoors.keysources.keypath import isStale
        from pkdoors.keysources.keyreader import KeyFileError

        if isStale(self._keyFile(path), path):
            del self._keyFiles[path]
        try:
            self._keyFile(path).prepare()
        except PkdoorsError as error:
            isEmpty = isinstance(error, KeyFileError) and error.isEmpty
            return None if isEmpty and self._useOf(path).hasOthers() else error
        return None

    def _useOf(self, path: str) -> "KeyUse":
        from pkdoors.keysources.keyuse import DoorUse

        return DoorUse(path, self._usersOf, lambda other: self._keyFile(other).keys())

    def _usersOf(self, path: str) -> list[Door]:
        """Return the doors that use a file, or a folder, of keys."""
        doors = {door.name: door for door in [*self._sealed, *self._made]}
        return [door for door in doors.values() if path in door.authorizedKeys]

    def _checkRevoked(self, path: str) -> PkdoorsError | None:
        try:
            self._revokedFile(path).prepare()
        except PkdoorsError as error:
            return error
        return None

    def setDoors(self, doors: Iterable[Door]) -> None:
        """Serve these doors from now on, and no others."""
        doors = tuple(doors)
        self._made: list[Door] = []  # those that are about to be served
        self._sealed = sealed = [door for door in doors if door.authorizedKeys]
        self._paths = [path for door in sealed for path in door.authorizedKeys]
        self._revokedPaths = sorted({door.revokedKeys for door in sealed} - {""})
        served = {door.name: door for door in sealed}
        self._allow(max((door.clockSkew for door in sealed), default=0.0))
        self.checks.keep(lambda lock: lock.door == served.get(lock.door.name))
        self._prepareFleet(sealed)

    def _prepareFleet(self, doors: Iterable[Door]) -> None:
        """Begin to remember what a fleet needs, as soon as there is a door of one."""
        if self._fleetNotes is None and any(door.fleet for door in doors):
            from pkdoors.daemon.notes.fleetnotes import FleetNotes

            self._fleetNotes = FleetNotes()
        self._learnFleet(isLate=True)

    def _learnFleet(self, isLate: bool) -> None:
        if self._hasStarted and self._fleetNotes is not None and self._replayFile is not None:
            self._fleetNotes.start(self._replayFile, isLate)

    def noteClosing(self, name: str, source: str, today: float) -> None:
        """
        Note that the operator closes: what was sealed before must not open again through a fleet.
        Doors that have left it may come back, so they count as well.

        @param name: the door's name; empty for all.
        @param source: an address or a network; empty for all.
        @param today: the time of day, in seconds since 1970.
        """
        if self._fleetNotes is None or (name and name not in {door.name for door in self._sealed}):
            return
        from pkdoors.model.sources import parseSource

        closed = parseSource(source) if source else None
        tombstones = self._fleetNotes.memory.tombstones
        tombstones.addOwn(name or "*", closed, self._seconds(), today)

    @property
    def memory(self) -> "FleetMemory | None":
        """What this host knows of its fleet; L{None} as long as no door was one of a fleet."""
        return self._fleetNotes.memory if self._fleetNotes is not None else None

    def _allow(self, skew: float) -> None:
        """Allow stamps to be ahead by so much. What was allowed before may still count."""
        self._skew = max(self._skew, skew)
        if self._replayFile is not None:
            self._replayFile.allow(self._skew)

    def start(self) -> None:
        """Learn which knocks an earlier daemon saw."""
        self._hasStarted = True
        self._learn()

    def _learn(self) -> None:
        if self._hasStarted and self._seen is not None and self._replayFile is not None:
            self._replayFile.start(self._seen, self._skew)
            self._learnFleet(isLate=False)

    def forgetWaiting(self) -> None:
        """Drop the knocks that wait to be checked: they must not open anything any more."""
        self.checks.keep(lambda lock: False)

    def stop(self) -> None:
        """Leave the notes to the next daemon, with a proper end."""
        if self._replayFile is not None:
            self._replayFile.close()
        if self._fleetNotes is not None:
            self._fleetNotes.stop()
