"""Who is how far, in a table that is bounded. Pure."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class Place(NamedTuple):
    """
    How far somebody is.

    @ivar ends: when this place ends, on the clock of who uses the table.
    @ivar note: what that one wants to remember.
    """

    stage: int
    ends: float
    note: int


class Stages(Generic[K]):
    """
    Where the table is full, those at stage 0 go first, who have no progress to lose; then somebody
    at the fullest stage, who is there longest: whoever floods a stage pushes out his own, and
    nobody at another.

    @param stages: how many there are, from 0.
    @param limit: the most that it remembers.
    """

    def __init__(self, stages: int, limit: int) -> None:
        self._limit = limit
        self._places: dict[K, Place] = {}
        self._order: list[OrderedDict[K, float]] = [OrderedDict() for _ in range(stages)]
        self._nextSweep = 0.0

    def __len__(self) -> int:
        """How many take memory."""
        return len(self._places)

    def get(self, key: K) -> Place | None:
        """Somebody's place; L{None} for who has none."""
        return self._places.get(key)

    def put(self, key: K, stage: int, ends: float, note: int = 0) -> None:
        """Give somebody a place, and make room for it."""
        self.forget(key)
        if len(self._places) >= self._limit:
            oldest, _ = (self._order[0] or max(self._order, key=len)).popitem(last=False)
            del self._places[oldest]
        self._places[key] = Place(stage, ends, note)
        self._order[stage][key] = ends

    def forget(self, key: K) -> None:
        """Take somebody's place away."""
        place = self._places.pop(key, None)
        if place is not None:
            del self._order[place.stage][key]

    def sweep(self, now: float) -> None:
        """Forget those whose time is over, at most once a second; each is met once."""
        if now < self._nextSweep:
            return
        self._nextSweep = now + 1.0
        for key in list(self._ended(now)):
            self.forget(key)

    def _ended(self, now: float) -> Iterator[K]:
        for order in self._order:
            for key, end in order.items():
                if now < end:
                    break
                yield key
