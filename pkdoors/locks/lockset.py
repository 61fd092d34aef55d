"""The locks of all doors, which may share knock ports. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping

from pkdoors.knocks.knock import Knock, readPlainKnock
from pkdoors.locks._plainknocks import PlainKnocks
from pkdoors.locks._sealedknocks import SealedKnocks
from pkdoors.locks.lock import Lock, Result
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.tries import Try
from pkdoors.model.doors import Door

AnyLock = Lock | SequenceLock
"""A lock for sealed knocks, or one for which L{pkdoors.locks._plainknocks} decides."""

_NOTHING = ()


class Lockset:
    """
    Passes a knock to the locks that have its port: plain knocks to all L{SequenceLock}s together,
    and a sealed knock to the lock that it names.

    @param before: the earlier lockset, whose penalties stay in force.
    """

    def __init__(self, locks: Iterable[AnyLock], before: "Lockset | None" = None) -> None:
        self._locks = tuple(locks)
        self._byName = {lock.door.name: lock for lock in self._locks}
        plain = [lock for lock in self._locks if isinstance(lock, SequenceLock)]
        self._plain: PlainKnocks = before._plain.carryOver(plain) if before else PlainKnocks(plain)
        self._sealed = SealedKnocks(
            lock for lock in self._locks if not isinstance(lock, SequenceLock)
        )

    def hear(self, knock: Knock, now: float, today: float) -> Collection[Result]:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: the results of the locks.
        """
        seconds = readPlainKnock(knock)
        found: Collection[Result] = (
            self._plain.hear(knock, seconds, now)
            if seconds is not None or knock.port in self._plain.anyPorts
            else _NOTHING
        )
        if not self._sealed.hasPort(knock.port):
            return found
        if seconds is None:
            result = self._sealed.hear(knock, now, today)
            return found if result is None else [*found, result]
        if not self._plain.hasPort(knock.port):
            self._sealed.notePlain(knock, now)
        return found

    def find(self, name: str) -> AnyLock | None:
        """Return the lock of a door, by the door's name; L{None} if there is none."""
        return self._byName.get(name)

    def explain(self, knock: Knock, now: float) -> dict[str, str]:
        """
        Return what a datagram that is about to be heard means for each door that has its port; of
        sealed doors, for the one that it names. This changes nothing.
        """
        found = self._plain.explain(knock, readPlainKnock(knock), now)
        return found | self._sealed.explain(knock, now)

    def takeEndedTries(self, now: float) -> tuple[list[Try], int, bool]:
        """
        Return the tries that have ended without success; how many others there were that nobody
        remembers; and whether some go on.
        """
        tables = [self._plain.tries, *self._sealed.tries]
        found = [table.takeEnded(now) for table in tables]
        ended = [each for tries, _ in found for each in tries]
        return ended, sum(lost for _, lost in found), any(map(len, tables))

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
        lock = self._byName.get(door.name)
        return lock if lock is not None and lock.door.hasLockOf(door) else None

    def _carryOver(self, door: Door) -> AnyLock | None:
        lock = self._findLock(door)
        if lock is not None:
            lock.door = door
        return lock
