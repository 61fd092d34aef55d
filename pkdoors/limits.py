"""How often the log may speak of what comes from the network. Pure, like the locks."""

from collections import OrderedDict

MAX_LINES = 20
"""Lines in one second, from all sources together: a flood from spoofed sources fills no disk."""


class LineLimit:
    """
    At most one line per subject and second, and at most L{MAX_LINES} a second in all.
    """

    def __init__(self) -> None:
        # Subject -> when it last got a line, the oldest first. Within a second MAX_LINES of them
        # at most, so this is its bound, too.
        self._last: OrderedDict[str, float] = OrderedDict()
        self._suppressed = 0

    def admit(self, subject: str, now: float) -> bool:
        """Whether a line about C{subject}, a source at a door, may be written now."""
        while self._last and now - next(iter(self._last.values())) >= 1.0:
            self._last.popitem(last=False)
        if subject in self._last or len(self._last) >= MAX_LINES:
            self._suppressed += 1
            return False
        self._last[subject] = now
        return True

    def takeSuppressed(self) -> int:
        """How many lines were refused since this was last asked."""
        count, self._suppressed = self._suppressed, 0
        return count
