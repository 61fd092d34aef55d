"""The locks of all doors, which may share knock ports. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping

from pkdoors.knocks.knock import Knock, readPlainKnock
from pkdoors.locks._plainknocks import PlainKnocks
from pkdoors.locks.lock import Lock, Result
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.tries import MAX_TOLD, Tries, Try
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort

AnyLock = Lock | SequenceLock
"""A lock that decides by itself, or one for which L{pkdoors.locks._plainknocks} decides."""

_NO_LOCKS: list[Lock] = []
_NOTHING = ()


class Lockset:
    """
    Passes a knock to all locks that have its port: plain knocks to all L{SequenceLock}s together,
    and all knocks to each of the other locks, which decide by themselves.

    @param before: the earlier lockset, whose penalties stay in force.
    """

    def __init__(self, locks: Iterable[AnyLock], before: "Lockset | None" = None) -> None:
        self._locks = tuple(locks)
        self._byPort: dict[KnockPort, list[Lock]] = {}
        plain = [lock for lock in self._locks if isinstance(lock, SequenceLock)]
        self._plain: PlainKnocks = before._plain.carryOver(plain) if before else PlainKnocks(plain)
        for lock in self._locks:
            if not isinstance(lock, SequenceLock):
                for port in set(lock.door.sequence.ports):
                    self._byPort.setdefault(port, []).append(lock)

    def hear(self, knock: Knock, now: float, today: float) -> Collection[Result]:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: the results of the locks.
        """
        seconds = readPlainKnock(knock)
        found = (
            self._plain.hear(knock, seconds, now)
            if seconds is not None or knock.port in self._plain.anyPorts
            else _NOTHING
        )
        locks = self._byPort.get(knock.port, _NO_LOCKS)
        if not locks:
            return found
        if seconds is not None:
            self._notePlain(knock, locks, now)
        results = [lock.knock(knock, now, today) for lock in locks]
        return [*found, *(result for result in results if result is not None)]

    def _notePlain(self, knock: Knock, locks: list[Lock], now: float) -> None:
        """Note a plain knock on a port whose doors only sealed knocks open."""
        if not self._plain.hasPort(knock.port):
            for lock in locks[:MAX_TOLD]:
                lock.tries.note(lock.door, knock.source, knock.source, now)

    def explain(self, knock: Knock, now: float) -> dict[str, str]:
        """
        Return what a datagram that is about to be heard means for each door that has its port. This
        changes nothing.
        """
        found = self._plain.explain(knock, readPlainKnock(knock), now)
        for lock in self._byPort.get(knock.port, _NO_LOCKS):
            found[lock.door.name] = lock.explain(knock, now)
        return found

    def takeEndedTries(self, now: float) -> tuple[list[Try], int, bool]:
        """
        Return the tries that have ended without success; how many others there were that nobody
        remembers; and whether some go on.
        """
        tables = self._tries()
        found = [table.takeEnded(now) for table in tables]
        ended = [each for tries, _ in found for each in tries]
        return ended, sum(lost for _, lost in found), any(map(len, tables))

    def _tries(self) -> list[Tries]:
        others = (lock for lock in self._locks if not isinstance(lock, SequenceLock))
        return [self._plain.tries, *(lock.tries for lock in others)]

    def sources(self) -> Mapping[str, int]:
        """Return how many knockers take memory, by door."""
        return {lock.door.name: len(lock) for lock in self._locks}

    def makeMissing(
        self, doors: Iterable[Door], makeLock: Callable[[Door], AnyLock]
    ) -> Mapping[str, AnyLock]:
        """Make the locks that other doors need and this lockset lacks, by the doors' names."""
        return {door.name: makeLock(door) for door in doors if self._findLock(door) is None}

    def replaceDoors(self, doors: Iterable[Door], fresh: Mapping[str, AnyLock]) -> "Lockset":
        """
        Return the lockset of other doors. A lock that stays the same keeps its memory, so a knocker
        can finish a sequence that is half done. Penalties stay in force.

        @param fresh: the new locks, from L{makeMissing}.
        """
        locks = [(self._carryOver(door), door) for door in doors]
        # Not "or", because a lock without knockers has the length 0, and is false.
        return Lockset([fresh[door.name] if lock is None else lock for lock, door in locks], self)

    def _findLock(self, door: Door) -> AnyLock | None:
        """Return the lock that exists already for a door."""
        fitting = (lock for lock in self._locks if lock.door.hasLockOf(door))
        return next(fitting, None)

    def _carryOver(self, door: Door) -> AnyLock | None:
        lock = self._findLock(door)
        if lock is not None:
            lock.door = door
        return lock
