"""Limits on log lines that the network can cause. Pure."""

from collections import OrderedDict

MAX_LINES = 20
"""Lines in one second, from all sources together, so that a flood from spoofed sources cannot fill
the disk."""
RESERVED = 10
"""Lines of these that are kept for groups that have had none in this second, so that a flood of one
kind cannot hide a line of another kind."""


class LineLimit:
    """
    At most one line per subject and second, and at most L{MAX_LINES} a second in all, of which
    L{RESERVED} are kept for groups that have had none in this second.
    """

    def __init__(self) -> None:
        # Subject -> time of its last line, and its group; the oldest first. Entries last a second,
        # and there are at most MAX_LINES of them in a second, so the table is bounded.
        self._last: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._suppressed = 0

    def admit(self, subject: str, now: float, group: str = "") -> bool:
        """
        Return whether a line may be written now, and count it.

        @param subject: what the line is about: a source at a door.
        @param group: the kind of line; empty if all lines are of one kind.
        """
        while self._last and now - next(iter(self._last.values()))[0] >= 1.0:
            self._last.popitem(last=False)
        if subject in self._last or not self._hasRoom(group):
            self._suppressed += 1
            return False
        self._last[subject] = now, group
        return True

    def _hasRoom(self, group: str) -> bool:
        if not group or len(self._last) < MAX_LINES - RESERVED:
            return len(self._last) < MAX_LINES
        groups = {group for _, group in self._last.values()}
        return len(self._last) < MAX_LINES and group not in groups

    def newSuppressed(self) -> int:
        """Return how many lines were refused since the last call."""
        count, self._suppressed = self._suppressed, 0
        return count
