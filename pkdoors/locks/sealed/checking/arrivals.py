"""The datagrams that have not arrived on every port of their door. Pure."""

from collections import Counter
from itertools import count

from pkdoors.locks._progress import ProgressTable
from pkdoors.locks.tries import Tries
from pkdoors.model.sequence import MAX_PORTS

MAX_PENDING = 16_384
"""Datagrams that are remembered until every port has had them, about 8 MB for all doors together.
Under 100,000 junk datagrams a second on one port, an honest one is forgotten after 0.16 s; its
copies for the other ports come within a millisecond."""

ArrivalKey = tuple[str, int, int]
"""The source and the hash of a datagram, and the number of its lock."""


class Arrivals(ProgressTable[ArrivalKey]):
    """
    What all sealed locks together remember of datagrams, so the memory does not grow with the
    number of doors. The stage of a datagram is the number of ports that had it.

    @ivar tries: what clients have not finished.
    """

    def __init__(self, limit: int = MAX_PENDING) -> None:
        super().__init__(MAX_PORTS + 1, limit)
        self.tries = Tries()
        self._numbers = count()
        self._counts: Counter[int] = Counter()

    def newNumber(self) -> int:
        """
        Return a number for a lock. A lock that takes the place of another one has a new number, so
        it does not inherit what had reached the ports of the former sequence.
        """
        return next(self._numbers)

    def put(self, key: ArrivalKey, stage: int, ends: float, note: int = 0) -> ArrivalKey | None:
        """See L{ProgressTable.put}."""
        out = super().put(key, stage, ends, note)
        self._counts[key[2]] += 1
        if out is not None:
            self._leave(out)
        return out

    def forget(self, key: ArrivalKey) -> None:
        """See L{ProgressTable.forget}."""
        if key in self._progress:
            self._leave(key)
            super().forget(key)

    def count(self, number: int) -> int:
        """Return how many datagrams take memory for a lock."""
        return self._counts[number]

    def _leave(self, key: ArrivalKey) -> None:
        number = key[2]
        self._counts[number] -= 1
        if not self._counts[number]:
            del self._counts[number]
