"""The locks of all doors, which may share knock ports. Pure, like the locks."""

from collections.abc import Callable, Iterable, Mapping

from pkdoors.doors import Door
from pkdoors.knock import Knock
from pkdoors.locks import Lock, Refusal, Request


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

    def hear(self, knock: Knock, now: float, today: float) -> list[Request | Refusal]:
        """
        Hear a knock.

        @param now: on a clock that does not jump.
        @param today: the time of day, in seconds since 1970.
        @return: what the locks yield.
        """
        locks = self._byPort.get(knock.port, [])
        if len(locks) > 1:
            locks = _concerned(locks, knock, now)
        results = [lock.knock(knock, now, today) for lock in locks]
        return [result for result in results if result is not None]

    def ports(self) -> list[int]:
        """The knock ports, sorted: their order is the secret."""
        return sorted(self._byPort)

    def sources(self) -> Mapping[str, int]:
        """For each door, how many knockers take memory."""
        return {lock.door.name: len(lock) for lock in self._locks}

    def changed(self, doors: Iterable[Door], makeLock: Callable[[Door], Lock]) -> "Lockset":
        """
        The locks of other doors. One that stays what it was keeps what it knows, so that a sequence
        that is half done can be finished.
        """
        before = {lock.door.name: lock for lock in self._locks}
        carried = [(_carriedOn(before.get(door.name), door), door) for door in doors]
        return Lockset(makeLock(door) if lock is None else lock for lock, door in carried)


def _concerned(locks: list[Lock], knock: Knock, now: float) -> list[Lock]:
    fitting = [lock for lock in locks if lock.fits(knock, now)]
    if not fitting:
        return locks
    for lock in locks:
        if lock not in fitting:
            lock.forgo(knock.source)
    return fitting


def _carriedOn(lock: Lock | None, door: Door) -> Lock | None:
    if lock is None or not lock.door.hasLockOf(door):
        return None
    lock.door = door
    return lock
