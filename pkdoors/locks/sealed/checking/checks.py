"""Check the signatures of sealed knocks within one budget for all doors. Pure."""

from collections.abc import Callable, Iterator

from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.checking.arrivals import ArrivalKey
from pkdoors.locks.sealed.checking.queue import Examiner, SealQueue, Waiting
from pkdoors.util.ratelimits import TimeBudget

SHARE = 0.5
"""The share of one processor for the checks of all sealed doors. A check of Ed25519 takes 0.1 ms,
one of P-521 0.5 ms, and finding the key among 256 another 0.1 ms."""
SEARCH_SHARE = 0.15
"""The part of C{SHARE} that searches for keys may take. A knock needs one if its door has very many
keys and its client does not tag its nonces. With ten thousand keys a search takes 5 ms, and anybody
can cause one, so the other knocks neither wait for searches nor lose their own part to them."""
SLICE = 0.002
"""Seconds of checks in one turn of the reactor. Knocks on other doors wait for at most this and one
more check."""
SAVED = 0.05
"""Seconds of checks that can be saved up, as turns come late on a busy host, and under a flood."""

LATER = "too many signatures to check at the moment, so this one was dropped"


class SealChecks:
    """
    Checks a knock at once if there is time and no other knock waits; otherwise the knock waits.

    @param cost: returns the processor time that this thread has taken so far, in seconds.
    @ivar onWaiting: called when a knock must wait. The caller must then call L{work} after
        L{pause}.
    """

    def __init__(
        self, cost: Callable[[], float] = lambda: 0.0, queue: SealQueue | None = None
    ) -> None:
        self._cost = cost
        self._queue = SealQueue() if queue is None else queue
        self._searches = SealQueue()
        self._searching: Waiting | None = None  # the search that has begun
        self._budget = TimeBudget(SHARE, SAVED)
        self._searchBudget = TimeBudget(SEARCH_SHARE, SAVED)
        self._turn, self._worked = 0.0, 0.0  # when this turn began, and how long it has worked
        self.onWaiting: Callable[[], None] = lambda: None

    def submit(self, waiting: Waiting, now: float, today: float) -> Request | Refusal | None:
        """
        Check a knock, now or later. A search begins now if no other knock waits: its first step
        finds the keys that knock often.

        @return: the result, or the refusal of another knock that had to give way.
        """
        if not self._queue and self._hasTime(now):
            if not waiting.needsSearch:
                return self._examine(waiting, now, today)
            if not self._hasSearch() and self._searchBudget.has(now):
                self._searching = waiting
                result = self._search(now, today)
                if result is None:
                    self.onWaiting()
                return result
        out = (self._searches if waiting.needsSearch else self._queue).add(waiting)
        self.onWaiting()
        return None if out is None else Refusal(out.lock.door, out.source, LATER)

    def countCopy(self, key: ArrivalKey) -> bool:
        """Count one more datagram of a knock, see L{SealQueue.countCopy}."""
        return any(queue.countCopy(key) for queue in self._queues()) or self._isSearching(key)

    def isWaiting(self, key: ArrivalKey) -> bool:
        """Return whether a knock waits to be checked."""
        return any(key in queue for queue in self._queues()) or self._isSearching(key)

    def count(self, lock: Examiner) -> int:
        """Return how many knocks wait for a lock, see L{SealQueue.count}."""
        isSearching = self._searching is not None and self._searching.lock is lock
        return sum(queue.count(lock) for queue in self._queues()) + isSearching

    def work(self, now: float, today: float) -> Iterator[Request | Refusal]:
        """Check waiting knocks, for one turn's time at most, and yield their results."""
        self._turn, self._worked = now, 0.0
        while self._hasTime(now):
            if self._hasSearch() and self._searchBudget.has(now):
                result = self._search(now, today)
            elif self._queue:
                result = self._examine(self._queue.take(), now, today)
            else:
                return
            if result is not None:
                yield result

    def pause(self, now: float) -> float | None:
        """Return the seconds until there is time to L{work}; L{None} if no knock waits."""
        if not self._queue and not self._hasSearch():
            return None
        self._budget.has(now)
        pause = self._budget.pause(SLICE / 2)
        if self._queue:
            return pause
        self._searchBudget.has(now)
        return max(pause, self._searchBudget.pause(SLICE / 2))

    def keep(self, isKept: Callable[[Examiner], bool]) -> None:
        """Forget the knocks for locks that are gone, so they cannot open a door of the past."""
        for queue in self._queues():
            queue.drop(lambda waiting: not isKept(waiting.lock))
        if self._searching is not None and not isKept(self._searching.lock):
            self._searching = None

    def _queues(self) -> tuple[SealQueue, SealQueue]:
        return self._queue, self._searches

    def _hasSearch(self) -> bool:
        return self._searching is not None or bool(self._searches)

    def _isSearching(self, key: ArrivalKey) -> bool:
        return self._searching is not None and self._searching.key == key

    def _search(self, now: float, today: float) -> Request | Refusal | None:
        """Do the next step of a search."""
        waiting = self._searching or self._searches.take()
        self._searching = None  # in case of a mistake in this step: the others must get their turn
        worked = self._worked
        result = self._examine(waiting, now, today)
        self._searchBudget.spend(self._worked - worked)
        if result is None:
            self._searching = waiting
        return result

    def _hasTime(self, now: float) -> bool:
        """Return whether there is time in this turn; C{now} stays the same during a turn."""
        if now != self._turn:
            self._turn, self._worked = now, 0.0
        return self._worked < SLICE and self._budget.has(now)

    def _examine(self, waiting: Waiting, now: float, today: float) -> Request | Refusal | None:
        began = self._cost()
        try:
            return waiting.lock.examine(waiting, now, today)
        finally:
            took = self._cost() - began
            self._worked += took
            self._budget.spend(took)
