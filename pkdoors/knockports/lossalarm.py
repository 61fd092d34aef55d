"""Warns the operator when knocks may have been lost."""

from collections.abc import Callable, Mapping

from twisted.logger import Logger

LOOK = 1.0
"""Seconds between two looks at the counters, at least. Only a turn that heard knocks looks: without
traffic nothing wakes up."""
WARN = 60.0
"""Seconds between two warnings, at least."""

_LOST = {"overflow": "found no room", "limit": "were too many from one source"}


class LossAlarm:
    """
    Compares the counters of lost datagrams with those of the last warning.

    @param dropped: returns how many datagrams were dropped so far, by the reason.
    @param seconds: a clock that does not jump.
    """

    _log = Logger()

    def __init__(
        self, dropped: Callable[[], Mapping[str, int]], seconds: Callable[[], float]
    ) -> None:
        self._dropped = dropped
        self._seconds = seconds
        self._next = 0.0  # before this it does not look
        self._reported: Mapping[str, int] = {}

    def look(self) -> None:
        """Look at the counters, unless that was done or reported a moment ago."""
        now = self._seconds()
        if now >= self._next:
            self._next = now + (WARN if self._warn() else LOOK)

    def _warn(self) -> bool:
        """Warn of what was lost since the last warning. Return whether anything was."""
        dropped = self._dropped()
        lost = {reason: dropped.get(reason, 0) - self._reported.get(reason, 0) for reason in _LOST}
        if not any(lost.values()):
            return False
        self._reported = dropped
        counts = [f"{count} {_LOST[reason]}" for reason, count in lost.items() if count]
        self._log.warn(
            "a flood: of the datagrams on knock ports {lost}; honest knocks may be among them "
            "(`pkdoors status` keeps counting)",
            lost=" and ".join(counts),
        )
        return True
