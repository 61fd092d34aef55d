"""Who is how far, in a table that is bounded. Pure."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


Progress = tuple[int, float, int]
"""
How far somebody is: the stage; when this place ends, on the clock of who uses the table; and what
that one wants to remember. A plain tuple: the garbage collector does not look at those again and
again.
"""


class ProgressTable(Generic[K]):
    """
    Where the table is full, those at stage 0 go first, who have no progress to lose; then somebody
    at the fullest stage, who is there longest: whoever floods a stage pushes out his own, and
    nobody at another.

    @param stages: how many there are, from 0.
    @param limit: the most that it remembers.
    """

    def __init__(self, progress: int, limit: int) -> None:
        self._limit = limit
        self._progress: dict[K, Progress] = {}
        self._order: list[OrderedDict[K, None]] = [OrderedDict() for _ in range(progress)]
        self._fullest: OrderedDict[K, None] | None = None  # where that is known
        self._nextSweep = 0.0

    def __len__(self) -> int:
        """How many take memory."""
        return len(self._progress)

    def get(self, key: K) -> Progress | None:
        """Somebody's place; L{None} for who has none."""
        return self._progress.get(key)

    def put(self, key: K, stage: int, ends: float, note: int = 0) -> None:
        """Give somebody a place, and make room for it."""
        order = self._order[stage]
        if key in self._progress:
            self.forget(key)
        elif len(self._progress) >= self._limit:
            self._makeRoomIn(order)
        self._progress[key] = (stage, ends, note)
        order[key] = None
        if order is not self._fullest:
            self._fullest = None

    def _makeRoomIn(self, order: OrderedDict[K, None]) -> None:
        """Push out one, so that another one can be put there."""
        # Under a flood it is the same stage again and again: to compare them all takes longer than
        # all else here.
        fullest = self._order[0] or self._fullest or max(self._order, key=len)
        oldest, _ = fullest.popitem(last=False)
        del self._progress[oldest]
        self._fullest = fullest if fullest is order and not self._order[0] else None

    def forget(self, key: K) -> None:
        """Take somebody's place away."""
        place = self._progress.pop(key, None)
        if place is not None:
            order = self._order[place[0]]
            del order[key]
            if order is self._fullest:
                self._fullest = None

    def sweep(self, now: float) -> None:
        """Forget those whose time is over, at most once a second; each is met once."""
        if now < self._nextSweep:
            return
        self._nextSweep = now + 1.0
        for key in list(self._ended(now)):
            self.forget(key)

    def _ended(self, now: float) -> Iterator[K]:
        for order in self._order:
            for key in order:
                if now < self._progress[key][1]:
                    break
                yield key
