"""The locks of all doors, which may share knock ports. Pure, like the locks."""

from collections.abc import Callable, Collection, Iterable, Mapping

from pkdoors.knocks.knock import Knock, parsePlainKnock
from pkdoors.locks._plainknocks import PlainKnocks
from pkdoors.locks.lock import AnyLock, Lock, Result, SequenceLock
from pkdoors.model.doors import Door

_NO_LOCKS: list[Lock] = []
_NOTHING = ()


class Lockset:
    """
    Takes a knock to each lock that has its port: a plain one to all L{SequenceLock}s together, and
    any to the others, each of which decides for itself.

    @param before: whose penalties live on.
    """

    def __init__(self, locks: Iterable[AnyLock], before: "Lockset | None" = None) -> None:
        self._locks = tuple(locks)
        self._byPort: dict[int, list[Lock]] = {}
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
        @return: what the locks yield.
        """
        seconds = parsePlainKnock(knock.datagram)
        found = self._plain.hear(knock, seconds, now) if seconds is not None else _NOTHING
        locks = self._byPort.get(knock.port, _NO_LOCKS)
        if not locks:
            return found
        results = [lock.knock(knock, now, today) for lock in locks]
        return [*found, *(result for result in results if result is not None)]

    def sources(self) -> Mapping[str, int]:
        """For each door, how many knockers take memory."""
        return {lock.door.name: len(lock) for lock in self._locks}

    def makeMissing(
        self, doors: Iterable[Door], makeLock: Callable[[Door], AnyLock]
    ) -> Mapping[str, AnyLock]:
        """The locks, by the names of their doors, that other doors need and there are not."""
        return {door.name: makeLock(door) for door in doors if self._fit(door) is None}

    def replaceDoors(self, doors: Iterable[Door], fresh: Mapping[str, AnyLock]) -> "Lockset":
        """
        The locks of other doors. One that stays what it was keeps what it knows, so that a sequence
        that is half done can be finished; and penalties live on.

        @param fresh: those that are L{makeMissing}.
        """
        locks = [(self._carriedOn(door), door) for door in doors]
        # Not "or": a lock that nobody is in the midst of has the length 0.
        return Lockset([fresh[door.name] if lock is None else lock for lock, door in locks], self)

    def _fit(self, door: Door) -> AnyLock | None:
        """The lock that there is already for a door."""
        fitting = (lock for lock in self._locks if lock.door.hasLockOf(door))
        return next(fitting, None)

    def _carriedOn(self, door: Door) -> AnyLock | None:
        lock = self._fit(door)
        if lock is not None:
            lock.door = door
        return lock
