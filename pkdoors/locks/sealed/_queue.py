"""
Where sealed knocks wait until their signatures are checked: bounded, and fair. Pure.

Before its signature is checked, nothing tells an honest knock from a forged one: an attacker who
watches the network knows the sequence, the public keys and the addresses, so a quota for an address
or a key would be a weapon against its owner. What nobody can forge is what a sender has spent. Each
datagram that comes for a knock, copies included, counts, and the knock with the most is checked
next. The client sends a knock three times to each port, so whoever wants to keep it waiting must
send as much for every single forgery.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pkdoors.knocks.seal import Sealed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.model.doors import Door
from pkdoors.model.networks import networkOf

MAX_WAITING = 2048
"""Knocks that wait at most, about 3 MB; then the one that waits longest gives way. At 100,000
datagrams a second on 8 ports that is after 0.16 s, and the client has sent all its copies after
0.04 s."""
KnockKey = tuple[str, int]
"""Source and hash of a datagram."""


class Examiner(Protocol):
    """A lock that checks signatures."""

    door: Door

    def examine(self, waiting: "Waiting", now: float, today: float) -> Request | Refusal:
        """Check the signature of a knock."""


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A sealed knock that every port has had, and whose signature is not yet checked.

    @ivar key: finds it when a copy comes.
    @ivar ends: until when its copies are ignored after it has been checked.
    @ivar spent: datagrams that its sender has spent on it.
    @ivar most: the most of these that count.
    """

    lock: Examiner
    key: KnockKey
    sealed: Sealed
    source: str
    ends: float
    spent: int
    most: int
    network: str = field(init=False)
    place: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.spent = min(self.spent, self.most)
        self.network = networkOf(self.source)


class SealQueue:
    """
    @param chance: gives random numbers.
    """

    def __init__(self, limit: int = MAX_WAITING, chance: random.Random | None = None) -> None:
        self._limit = limit
        self._chance = chance or random.Random()
        self._waiting: dict[KnockKey, Waiting] = {}  # the oldest first
        self._levels: dict[int, _Level] = {}  # by what was spent on them; none is empty
        self._byNetwork = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def count(self, lock: Examiner) -> int:
        """Return how many wait for one lock."""
        return sum(each.lock is lock for each in self._waiting.values())

    def add(self, waiting: Waiting) -> Waiting | None:
        """
        Let a knock wait.

        @return: the knock that had to give way; L{None} if there was room.
        """
        out = None
        if len(self._waiting) >= self._limit:
            out = next(iter(self._waiting.values()))
            self._remove(out)
        self._waiting[waiting.key] = waiting
        self._enter(waiting)
        return out

    def countCopy(self, key: KnockKey) -> bool:
        """Count one more datagram of a knock. Return whether that knock waits."""
        waiting = self._waiting.get(key)
        if waiting is None:
            return False
        if waiting.spent < waiting.most:
            self._leave(waiting)
            waiting.spent += 1
            self._enter(waiting)
        return True

    def take(self) -> Waiting:
        """
        Take the knock that is to be checked next; there must be one.

        Of those on which the same was spent, every other time it is one from the network that came
        last: then a few networks cannot keep out the others. The other times it is any: then
        whoever makes up addresses cannot keep out the network whose address he uses.
        """
        level = self._levels[max(self._levels)]
        self._byNetwork = not self._byNetwork
        taken = level.newest() if self._byNetwork else self._chance.choice(level.all)
        self._remove(taken)
        return taken

    def drop(self, isDropped: Callable[[Waiting], bool]) -> None:
        """Forget some of those that wait."""
        for each in [each for each in self._waiting.values() if isDropped(each)]:
            self._remove(each)

    def _remove(self, waiting: Waiting) -> None:
        del self._waiting[waiting.key]
        self._leave(waiting)

    def _enter(self, waiting: Waiting) -> None:
        if waiting.spent not in self._levels:
            self._levels[waiting.spent] = _Level()
        self._levels[waiting.spent].add(waiting)

    def _leave(self, waiting: Waiting) -> None:
        level = self._levels[waiting.spent]
        level.remove(waiting)
        if not level.all:
            del self._levels[waiting.spent]


class _Level:
    """
    The knocks on which the same was spent.

    @ivar all: in no order.
    """

    __slots__ = ("_networks", "all")

    def __init__(self) -> None:
        self.all: list[Waiting] = []
        self._networks: dict[str, dict[KnockKey, Waiting]] = {}

    def add(self, waiting: Waiting) -> None:
        """Add one."""
        waiting.place = len(self.all)
        self.all.append(waiting)
        self._networks.setdefault(waiting.network, {})[waiting.key] = waiting

    def remove(self, waiting: Waiting) -> None:
        """Remove one: the last one of all takes its place there."""
        last = self.all.pop()
        if last is not waiting:
            self.all[waiting.place] = last
            last.place = waiting.place
        network = self._networks[waiting.network]
        del network[waiting.key]
        if not network:
            del self._networks[waiting.network]

    def newest(self) -> Waiting:
        """Return the newest of the network that came last."""
        network = next(reversed(self._networks.values()))
        return next(reversed(network.values()))
