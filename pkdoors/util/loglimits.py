"""How often the log may speak of what comes from the network. Pure, like the locks."""

from collections import OrderedDict

MAX_LINES = 20
"""Lines in one second, from all sources together: a flood from spoofed sources fills no disk."""
RESERVED = 10
"""Those of them that only a group gets that has had none in this second: a flood of one kind hides
no line of another kind."""


class LineLimit:
    """
    At most one line per subject and second, and at most L{MAX_LINES} a second in all, of which
    L{RESERVED} are kept for groups that have had none.
    """

    def __init__(self) -> None:
        # Subject -> when it last got a line, and its group, the oldest first. Within a second
        # MAX_LINES of them at most, so this is its bound, too.
        self._last: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._suppressed = 0

    def admit(self, subject: str, now: float, group: str = "") -> bool:
        """
        Whether a line may be written now.

        @param subject: what the line is about: a source at a door.
        @param group: what kind of line it is; empty where all are of one.
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
        had = {each for _, each in self._last.values()}
        return len(self._last) < MAX_LINES and group not in had

    def newSuppressed(self) -> int:
        """How many lines were refused since this was last asked."""
        count, self._suppressed = self._suppressed, 0
        return count
