"""How much work others may cause in a second. Pure."""

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

    def isSpent(self, now: float) -> bool:
        """Whether nobody may cause any more now."""
        return not self._total.has(now)

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
