"""Limits on the work that others can cause: pieces in a second, or processor time. Pure."""

from collections import OrderedDict

MAX_SOURCES = 4096
"""Sources whose own share is remembered: the latest ones. A source that is forgotten gets a fresh
share, but nobody can make the budget forget the total of all sources."""


class Budget:
    """
    Pieces of work in a second, for each source and in total. One second's worth can be saved up.

    @param perSource: for one source.
    @param total: for all sources together.
    """

    def __init__(self, perSource: float, total: float) -> None:
        self._perSource = perSource
        self._total = _Bucket(total)
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def spend(self, source: str, now: float) -> bool:
        """Return whether a source may cause one more piece of work now, and count it if so."""
        own = self._sources.pop(source, None) or _Bucket(self._perSource)
        self._sources[source] = own
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        if not own.has(now) or not self._total.has(now):
            return False
        own.left -= 1
        self._total.left -= 1
        return True


class _Bucket:
    __slots__ = ("left", "rate", "then")

    def __init__(self, rate: float) -> None:
        self.rate = self.left = rate
        self.then = 0.0

    def has(self, now: float) -> bool:
        """Add what has accrued since the last call, and return whether something is left."""
        self.left = min(self.rate, self.left + (now - self.then) * self.rate)
        self.then = now
        return self.left >= 1


class TimeBudget:
    """
    Processor time, as a share of the time that passes. The cost of a piece of work is known only
    when it is done, so it is paid afterwards: one piece can overdraw the budget.

    @param share: seconds of work in each second.
    @param most: seconds that can be saved up, and so be spent at once.
    """

    def __init__(self, share: float, most: float) -> None:
        self._share = share
        self._most = self._left = most
        self._then = 0.0

    def has(self, now: float) -> bool:
        """Return whether more work may be done now."""
        self._left = min(self._most, self._left + (now - self._then) * self._share)
        self._then = now
        return self._left > 0

    def spend(self, seconds: float) -> None:
        """Pay for work that was done."""
        self._left -= seconds

    def pause(self, enough: float) -> float:
        """
        Return how many seconds after the last L{has} so much is available. Waiting for more than a
        single piece of work pays, since a turn of the reactor costs more than the piece.
        """
        return max(0.0, enough - self._left) / self._share
