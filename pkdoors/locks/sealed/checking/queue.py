"""
The queue of sealed knocks whose signatures are to be checked: bounded, and fair. Pure.

Until its signature is checked, an honest knock looks like a forged one: an attacker who watches the
network knows the sequence, the public keys and the addresses, so a quota for an address or a key
would be a weapon against its owner. But nobody can forge the datagrams that a sender has spent.
Each datagram of a knock counts, copies included, and the knock with the most is checked next. The
client sends a knock three times to each port, so an attacker who wants to keep it waiting must send
as much for every single forgery.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pkdoors.knocks.seal import Sealed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.checking.arrivals import ArrivalKey
from pkdoors.model.doors import Door
from pkdoors.model.networks import networkOf

if TYPE_CHECKING:
    from pkdoors.locks.sealed.hints import Search

MAX_WAITING = 2048
"""The most knocks that wait, about 3 MB; then the oldest gives way. With 100,000 datagrams a second
on 8 ports, that is after 0.16 s. The client has sent all its copies after 0.04 s."""


class Examiner(Protocol):
    """A lock that checks signatures."""

    door: Door

    def examine(self, waiting: "Waiting", now: float, today: float) -> Request | Refusal | None:
        """
        Check the signature of a knock. L{None} means that its key is not found yet: call this again
        for the next step of the search.
        """


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A sealed knock that has arrived on every port, and whose signature is not yet checked.

    @ivar key: finds the knock when a copy arrives.
    @ivar ends: until then its copies are ignored after it has been checked.
    @ivar spent: the datagrams that its sender has spent on it.
    @ivar most: the most of these that count.
    @ivar needsSearch: whether its key must be searched among very many.
    @ivar search: the search that has begun.
    @ivar place: its index in the list of its level.
    """

    lock: Examiner
    key: ArrivalKey
    sealed: Sealed
    source: str
    ends: float
    spent: int
    most: int
    needsSearch: bool = False
    search: "Search | None" = None
    network: str = field(init=False)
    place: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.spent = min(self.spent, self.most)
        self.network = networkOf(self.source)


class SealQueue:
    """
    Knocks that wait, by the number of datagrams that were spent on them.

    @param chance: the source of random numbers.
    """

    def __init__(self, limit: int = MAX_WAITING, chance: random.Random | None = None) -> None:
        self._limit = limit
        self._chance = chance or random.Random()
        self._waiting: dict[ArrivalKey, Waiting] = {}  # the oldest first
        self._levels: dict[int, _Level] = {}  # by the datagrams spent; none is empty
        self._byNetwork = False
        self._counts: Counter[Examiner] = Counter()

    def __len__(self) -> int:
        """Return how many knocks wait."""
        return len(self._waiting)

    def count(self, lock: Examiner) -> int:
        """Return how many knocks wait for one lock."""
        return self._counts[lock]

    def add(self, waiting: Waiting) -> Waiting | None:
        """
        Add a knock.

        @return: the knock that had to give way; L{None} if there was room.
        """
        out = None
        if len(self._waiting) >= self._limit:
            out = next(iter(self._waiting.values()))
            self._remove(out)
        self._waiting[waiting.key] = waiting
        self._counts[waiting.lock] += 1
        self._enter(waiting)
        return out

    def __contains__(self, key: ArrivalKey) -> bool:
        """Return whether a knock is waiting."""
        return key in self._waiting

    def countCopy(self, key: ArrivalKey) -> bool:
        """Count one more datagram of a knock. Return whether the knock is waiting."""
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

        If equally much was spent on several, every other time it is the newest one of the network
        that arrived last, so that a few networks cannot keep out the others. The other times it is
        a random one, so that an attacker who forges addresses cannot keep out their owners.
        """
        level = self._levels[max(self._levels)]
        self._byNetwork = not self._byNetwork
        taken = level.findNewest() if self._byNetwork else self._chance.choice(level.all)
        self._remove(taken)
        return taken

    def drop(self, isDropped: Callable[[Waiting], bool]) -> None:
        """Forget some of the knocks."""
        for waiting in [waiting for waiting in self._waiting.values() if isDropped(waiting)]:
            self._remove(waiting)

    def _remove(self, waiting: Waiting) -> None:
        del self._waiting[waiting.key]
        self._counts[waiting.lock] -= 1
        if not self._counts[waiting.lock]:
            del self._counts[waiting.lock]
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
    The knocks on which equally many datagrams were spent.

    @ivar all: these knocks, in no order.
    """

    __slots__ = ("_networks", "all")

    def __init__(self) -> None:
        self.all: list[Waiting] = []
        self._networks: dict[str, dict[ArrivalKey, Waiting]] = {}

    def add(self, waiting: Waiting) -> None:
        """Add a knock."""
        waiting.place = len(self.all)
        self.all.append(waiting)
        self._networks.setdefault(waiting.network, {})[waiting.key] = waiting

    def remove(self, waiting: Waiting) -> None:
        """Remove a knock; the last knock in the list takes its place."""
        last = self.all.pop()
        if last is not waiting:
            self.all[waiting.place] = last
            last.place = waiting.place
        network = self._networks[waiting.network]
        del network[waiting.key]
        if not network:
            del self._networks[waiting.network]

    def findNewest(self) -> Waiting:
        """Return the newest knock of the network that arrived last."""
        network = next(reversed(self._networks.values()))
        return next(reversed(network.values()))
