"""
Passes each sealed knock to the one lock that its statement names. Pure.

Doors can share knock ports, and there may be a thousand of them. So what a datagram costs must not
depend on their number.
"""

from collections.abc import Iterable

from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import PREFIX, SealError, findDoor, parseSealed
from pkdoors.locks.lock import Lock, Refusal, Request
from pkdoors.locks.tries import MAX_TOLD, Tries
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort

_DEAF = "this host does not hear knocks for it: knock on another host of the fleet"
_NO_LOCKS: dict[bytes, Lock] = {}


class SealedKnocks:
    """
    The locks of all sealed doors, by knock port and name.
    """

    def __init__(self, locks: Iterable[Lock]) -> None:
        self._names: set[bytes] = set()
        self._deaf: dict[bytes, Door] = {}
        self._byPort: dict[KnockPort, dict[bytes, Lock]] = {}
        self._tries: dict[int, Tries] = {}
        for lock in locks:
            name = lock.door.name.encode()
            self._names.add(name)
            self._tries[id(lock.tries)] = lock.tries
            if not lock.door.listens:
                self._deaf[name] = lock.door
            for port in lock.door.knockPorts:
                self._byPort.setdefault(port, {})[name] = lock

    @property
    def tries(self) -> list[Tries]:
        """What clients have not finished: one table, as far as the locks share it."""
        return [*self._tries.values()]

    def hasPort(self, port: KnockPort) -> bool:
        """Return whether any lock has a port."""
        return port in self._byPort

    def hear(self, knock: Knock, now: float, today: float) -> Request | Refusal | None:
        """
        Hear a knock on a port that some lock has.

        @return: what the lock that it names makes of it; a refusal if there is no such door. A
            knock for a door that exists, but does not have this port, is ignored. A door that only
            other hosts hear is refused.
        """
        datagram = knock.datagram
        if not datagram.startswith(PREFIX):
            return None
        locks, name = self._byPort[knock.port], findDoor(datagram)
        lock = locks.get(name)
        if lock is not None:
            return lock.knock(knock, now, today)
        door = self._deaf.get(name)
        if door is not None and knock.port in door.sequence.ports:
            return Refusal(door, knock.source, _DEAF)
        return None if name in self._names else _refuseForeign(knock, [*locks.values()])

    def notePlain(self, knock: Knock, now: float) -> None:
        """Note a plain knock on a port whose doors only sealed knocks open."""
        for lock in _someOf(self._byPort[knock.port].values()):
            lock.tries.note(lock.door, knock.source, knock.source, now)

    def explain(self, knock: Knock, now: float) -> dict[str, str]:
        """
        Return what a datagram means for the door that it names, or for some of those that have its
        port. This changes nothing.
        """
        locks = self._byPort.get(knock.port, _NO_LOCKS)
        if not knock.datagram.startswith(PREFIX):
            return {lock.door.name: "not a sealed knock" for lock in _someOf(locks.values())}
        lock = locks.get(findDoor(knock.datagram))
        if lock is not None:
            return {lock.door.name: lock.explain(knock, now)}
        return {
            lock.door.name: "a sealed knock for another door" for lock in _someOf(locks.values())
        }


def _someOf(locks: Iterable[Lock]) -> Iterable[Lock]:
    return [*locks][:MAX_TOLD]


def _refuseForeign(knock: Knock, locks: list[Lock]) -> Refusal:
    """Refuse a knock for a door that does not exist, at one of the doors with its port."""
    first = locks[0]
    try:
        wrong = parseSealed(knock.datagram).statement.door
    except SealError as error:
        return Refusal(first.door, knock.source, str(error))
    name = first.door.name
    hint = f"but this door is called {name}: knock with --door {name}"
    if len(locks) > 1:
        others = "another one" if len(locks) == 2 else f"{len(locks) - 1} others"
        hint = f"but there is no such door here: knock with --door {name}, or the name of {others}"
    return Refusal(first.door, knock.source, f"it is for a door {wrong!r}, {hint}")
