"""Tells the operator when knocks may be lost."""

from collections.abc import Callable, Mapping

from twisted.logger import Logger

from pkdoors.knocks.knock import Knock

LOOK = 1.0
"""Seconds between two looks at the counters, at least, and only when something is heard: without
traffic nothing wakes up."""
TELL = 60.0
"""Seconds between two lines about it, at least."""

_LOST = {"overflow": "found no room", "limit": "were too many from one source"}


class LossAlarm:
    """
    Hands on what is heard, and looks now and then at what was not.

    @param dropped: gives how many datagrams were dropped so far, by the reason.
    @param seconds: a clock that does not jump.
    """

    _log = Logger()

    def __init__(
        self,
        hear: Callable[[list[Knock]], None],
        dropped: Callable[[], Mapping[str, int]],
        seconds: Callable[[], float],
    ) -> None:
        self._hear = hear
        self._dropped = dropped
        self._seconds = seconds
        self._next = 0.0  # before this it does not look
        self._told: Mapping[str, int] = {}

    def hear(self, knocks: list[Knock]) -> None:
        """Hear knocks."""
        self._hear(knocks)
        now = self._seconds()
        if now >= self._next:
            self._next = now + (TELL if self._tell() else LOOK)

    def _tell(self) -> bool:
        """Tell what was lost since this was last done; whether there was anything."""
        dropped = self._dropped()
        lost = {reason: dropped.get(reason, 0) - self._told.get(reason, 0) for reason in _LOST}
        if not any(lost.values()):
            return False
        self._told = dropped
        self._log.warn(
            "a flood: of the datagrams on knock ports {lost}; honest knocks may be among them "
            "(`pkdoors status` counts on)",
            lost=" and ".join(
                f"{count} {_LOST[reason]}" for reason, count in lost.items() if count
            ),
        )
        return True
