"""How much work others may cause: pieces in a second, or processor time. Pure."""

from collections import OrderedDict

MAX_SOURCES = 4096
"""Sources whose own share is remembered; those asked about last. Who is forgotten begins anew,
but all together have one budget, which nobody can make it forget."""


class Budget:
    """
    Pieces of work in a second, for each source and in all, with one second's worth in advance.

    @param each: for one source.
    @param total: for all together.
    """

    def __init__(self, each: float, total: float) -> None:
        self._each = each
        self._total = _Bucket(total)
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def spend(self, source: str, now: float) -> bool:
        """Whether a source may cause one more piece of work now; then it is counted."""
        own = self._sources.pop(source, None) or _Bucket(self._each)
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
        """Whether there is something left, with what has come since the last question."""
        self.left = min(self.rate, self.left + (now - self.then) * self.rate)
        self.then = now
        return self.left >= 1


class TimeBudget:
    """
    Processor time, a share of the time that passes. What a piece of work takes is known only when
    it is done, so it is paid afterwards: the budget may be overdrawn by one piece.

    @param share: seconds of work in each second.
    @param most: seconds that can be saved up, and so be spent in one go.
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
        Return the seconds, as of the last L{has}, until so much is there: a turn of the reactor for
        every single piece of work would cost more than the piece.
        """
        return max(0.0, enough - self._left) / self._share
