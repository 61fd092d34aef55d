"""
Seals that were judged lately: when this host heard of each first, and until when it opens. Pure.

Both follow from the seal's stamp, as long as nobody's clock is wrong. If the sender's is ahead, or
somebody sets this host's back, what was once computed still counts.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import inf

MAX_JUDGED = 4096
"""Seals that are remembered, about 1 MB; then the one that was judged first is forgotten."""


@dataclass(slots=True)
class _Seal:
    heard: float
    end: float = inf


class JudgedSeals:
    """
    Remembers seals, all on the clock that does not jump. They are named by
    L{pkdoors.locks.sealed.sealjudge.nameClaim}.
    """

    def __init__(self) -> None:
        self._seals: OrderedDict[str, _Seal] = OrderedDict()

    def __len__(self) -> int:
        """Return how many seals are remembered."""
        return len(self._seals)

    def hear(self, name: str, now: float, before: float | None = None) -> float | None:
        """
        Return when a seal was heard of first, and remember it.

        @param before: when an earlier daemon may have heard of it; L{None} if none has.
        @return: L{None} for a new one.
        """
        seal = self._seals.get(name)
        if seal is not None:
            return seal.heard
        self._seals[name] = _Seal(now if before is None else before)
        if len(self._seals) > MAX_JUDGED:
            self._seals.popitem(last=False)
        return before

    def limit(self, name: str, end: float) -> float:
        """Return the end of a seal that was heard, never later than it was before."""
        seal = self._seals.get(name)
        if seal is None:
            return end
        seal.end = min(end, seal.end)
        return seal.end
