"""
Until when seals open. Pure.

The end of a relayed seal follows from its stamp, so it is the same each time, as long as nobody
sets this host's clock back. If somebody does, what was once computed still counts.
"""

from collections import OrderedDict

MAX_ENDS = 4096
"""Seals whose end is remembered, under 1 MB; then the one that was judged first is forgotten."""


class Ends:
    """Remembers the ends of the seals that opened a door, on the clock that does not jump."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many ends are remembered."""
        return len(self._ends)

    def limit(self, seal: str, until: float) -> float:
        """
        Return the end of a seal, and remember it: never later than it was before.

        @param seal: its name, see L{pkdoors.locks.sealed.sealjudge.nameClaim}.
        """
        self._ends[seal] = until = min(until, self._ends.get(seal, until))
        if len(self._ends) > MAX_ENDS:
            self._ends.popitem(last=False)
        return until
