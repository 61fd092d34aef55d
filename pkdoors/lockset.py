"""The locks of all doors, which may share knock ports. Pure, like the locks."""

from collections.abc import Callable, Collection, Iterable, Mapping

from pkdoors.doors import Door
from pkdoors.knock import Knock
from pkdoors.locks import Lock, Refusal, Request

_NO_LOCKS: list[Lock] = []
_NOTHING = ()


class Lockset:
    """
    Takes a knock to each lock that has its port.

    What brings its source further at one door is no wrong knock at another: who knocks there is not
    meant to be penalised here for having a port in common.
    """

    def __init__(self, locks: Iterable[Lock]) -> None:
        self._locks = tuple(locks)
        self._byPort: dict[int, list[Lock]] = {}
        for lock in self._locks:
            for port in set(lock.door.sequence.ports):
                self._byPort.setdefault(port, []).append(lock)

    def hear(self, knock: Knock, now: float, today: float) -> Collection[Request | Refusal]:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: what the locks yield.
        """
        locks = self._byPort.get(knock.port, _NO_LOCKS)
        if len(locks) == 1:  # mostly: no lists are made of nothing then
            result = locks[0].knock(knock, now, today)
            return _NOTHING if result is None else (result,)
        results = [lock.knock(knock, now, today) for lock in _concerned(locks, knock, now)]
        return [result for result in results if result is not None]

    def sources(self) -> Mapping[str, int]:
        """For each door, how many knockers take memory."""
        return {lock.door.name: len(lock) for lock in self._locks}

    def missing(
        self, doors: Iterable[Door], makeLock: Callable[[Door], Lock]
    ) -> Mapping[str, Lock]:
        """The locks, by the names of their doors, that other doors need and there are not."""
        return {door.name: makeLock(door) for door in doors if self._fit(door) is None}

    def changed(self, doors: Iterable[Door], fresh: Mapping[str, Lock]) -> "Lockset":
        """
        The locks of other doors. One that stays what it was keeps what it knows, so that a sequence
        that is half done can be finished.

        @param fresh: those that are L{missing}.
        """
        locks = [(self._carriedOn(door), door) for door in doors]
        # Not "or": a lock that nobody is in the midst of has the length 0.
        return Lockset([fresh[door.name] if lock is None else lock for lock, door in locks])

    def _fit(self, door: Door) -> Lock | None:
        """The lock that there is already for a door."""
        fitting = (lock for lock in self._locks if lock.door.hasLockOf(door))
        return next(fitting, None)

    def _carriedOn(self, door: Door) -> Lock | None:
        lock = self._fit(door)
        if lock is not None:
            lock.door = door
        return lock


def _concerned(locks: list[Lock], knock: Knock, now: float) -> list[Lock]:
    fitting = [lock for lock in locks if lock.fits(knock, now)]
    if not fitting:
        return locks
    for lock in locks:
        if lock not in fitting:
            lock.forgo(knock.source)
    return fitting
