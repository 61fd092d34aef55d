"""Adds up the guard's counters, which begin at 0 again when its table is made again."""

from collections.abc import Mapping

from pkdoors.firewall.guard.capture import JUNK


class KnockCounts:
    """
    @ivar dropped: datagrams to knock ports of which one source sent too many.
    @ivar junk: datagrams that are not knocks.
    """

    def __init__(self) -> None:
        self._last: Mapping[str, int] = {}
        self.dropped = self.junk = 0

    def add(self, counts: Mapping[str, int]) -> None:
        """Add what the counters have counted since the last call."""
        for name, count in counts.items():
            # A counter that has decreased is a new one, which began at 0.
            new = count - self._last.get(name, 0)
            if new < 0:
                new = count
            if name == JUNK:
                self.junk += new
            else:
                self.dropped += new
        self._last = counts
