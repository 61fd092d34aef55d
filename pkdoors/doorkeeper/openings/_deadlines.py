"""The openings in the order of their deadlines: wakes each at its end, and shows them in pages."""

from bisect import bisect_left, insort
from itertools import count
from math import inf
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.doorkeeper.openings.state import FIRST, Cursor
from pkdoors.util.turns import PER_TURN


class Timed(Protocol):
    """Something with a deadline, as L{pkdoors.doorkeeper.openings.life.OpeningLife} is."""

    place: Cursor

    def onDeadline(self) -> None:
        """Do what is due at the deadline."""


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """
    One timer for all, however many there are. A timer for each opening, and a coroutine that waits
    for it, would take 4 kB of memory each.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._numbers = count(1)
        # A list, not a tree: to insert into 65,536 takes 10 microseconds.
        self._order: list[tuple[float, int, T]] = []
        self._done: Cursor = FIRST  # all up to here were woken
        self._call: IDelayedCall | None = None
        self._due = inf  # the deadline that the timer is for: the reactor may have another clock
        self._isStopped = False

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._order)

    def add(self, timed: T, deadline: float) -> None:
        """Add one that has no place yet."""
        timed.place = deadline, next(self._numbers)
        self._insert(timed)

    def remove(self, timed: T) -> None:
        """Remove one."""
        del self._order[self._find(timed.place)]

    def move(self, timed: T, deadline: float) -> None:
        """Give one another deadline. Among equal ones the number decides, which stays."""
        if deadline != timed.place[0]:
            self.remove(timed)
            timed.place = deadline, timed.place[1]
            self._insert(timed)

    def after(self, place: Cursor = FIRST, most: int | None = None) -> list[T]:
        """
        Return those that come after a place, in order.

        @param most: how many at most; L{None} for all.
        """
        first = self._find((place[0], place[1] + 1))
        last = len(self._order) if most is None else first + most
        return [timed for _, _, timed in self._order[first:last]]

    def stop(self) -> None:
        """Wake nobody any more."""
        self._isStopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _insert(self, timed: T) -> None:
        insort(self._order, (*timed.place, timed))
        if timed.place <= self._done:  # it must not be passed over
            self._done = timed.place[0], timed.place[1] - 1
        if timed.place[0] < self._due:
            self._schedule()

    def _find(self, place: Cursor) -> int:
        return bisect_left(self._order, place)

    def _schedule(self) -> None:
        """Have the timer end at the first deadline of those that were not woken."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        first = self._find((self._done[0], self._done[1] + 1))
        self._due = self._order[first][0] if first < len(self._order) else inf
        if self._due < inf and not self._isStopped:
            left = max(0.0, self._due - self._clock.seconds())
            self._call = self._clock.callLater(left, self._wake)

    def _wake(self) -> None:
        self._call = None
        now = self._clock.seconds()
        for timed in self.after(self._done, PER_TURN):
            if timed.place[0] > now:
                break
            self._done = timed.place
            timed.onDeadline()
        self._schedule()
