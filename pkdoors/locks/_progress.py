"""A bounded table of the progress of knockers. Pure."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


Progress = tuple[int, float, int]
"""
The progress of one knocker: the stage; the time when it expires, on the caller's clock; and a note
of the caller's. It is a plain tuple, because the garbage collector does not track these for long.
"""


class ProgressTable(Generic[K]):
    """
    The progress of knockers, by key. If the table is full, entries at stage 0 give way first, as
    they have no progress to lose; then the oldest entry at the fullest stage. So a flood at one
    stage pushes out only its own entries.

    @param stages: the number of stages, which begin with 0.
    @param limit: the most entries.
    """

    def __init__(self, stages: int, limit: int) -> None:
        self._limit = limit
        self._progress: dict[K, Progress] = {}
        # For each stage, its keys, the oldest first.
        self._order: list[OrderedDict[K, None]] = [OrderedDict() for _ in range(stages)]
        self._fullest: OrderedDict[K, None] | None = None  # None if not known
        self._nextSweep = 0.0

    def __len__(self) -> int:
        """Return how many entries take memory."""
        return len(self._progress)

    def get(self, key: K) -> Progress | None:
        """Return the progress of a key; L{None} if it has none."""
        return self._progress.get(key)

    def put(self, key: K, stage: int, ends: float, note: int = 0) -> K | None:
        """
        Set the progress of a key, and make room for it.

        @return: the key that had to give way.
        """
        order, out = self._order[stage], None
        if key in self._progress:
            self.forget(key)
        elif len(self._progress) >= self._limit:
            out = self._makeRoomIn(order)
        self._progress[key] = (stage, ends, note)
        order[key] = None
        if order is not self._fullest:
            self._fullest = None
        return out

    def _makeRoomIn(self, order: OrderedDict[K, None]) -> K:
        """Remove one entry, to make room for another one in the given stage, and return its key."""
        # A flood fills the same stage again and again, and comparing all stages would take longer
        # than all else here. So remember the fullest stage if it stays the fullest.
        fullest = self._order[0] or self._fullest or max(self._order, key=len)
        oldest, _ = fullest.popitem(last=False)
        del self._progress[oldest]
        self._fullest = fullest if fullest is order and not self._order[0] else None
        return oldest

    def forget(self, key: K) -> None:
        """Remove the progress of a key."""
        progress = self._progress.pop(key, None)
        if progress is not None:
            order = self._order[progress[0]]
            del order[key]
            if order is self._fullest:
                self._fullest = None

    def sweep(self, now: float) -> None:
        """Remove the entries that have expired, at most once a second."""
        if now < self._nextSweep:
            return
        self._nextSweep = now + 1.0
        for key in list(self._findExpired(now)):
            self.forget(key)

    def _findExpired(self, now: float) -> Iterator[K]:
        for order in self._order:
            for key in order:
                if now < self._progress[key][1]:
                    break
                yield key
