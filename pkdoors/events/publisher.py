"""Makes events, and hands each to all who subscribed; nothing else makes any."""

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogLevel

from pkdoors.events.event import ERRORS, WARNINGS, Event, sentence

Subscriber = Callable[[Event], None]


class EventPublisher:
    """
    Writes every event into the log, and tells it to all who want to hear.

    @ivar wallClock: the time of day, in seconds since 1970.
    """

    _log = Logger("pkdoors")

    def __init__(self, wallClock: Callable[[], float] = time.time) -> None:
        self.wallClock = wallClock
        self._hearers: list[Subscriber] = []

    def subscribe(self, hear: Subscriber) -> Callable[[], None]:
        """
        Have all events told from now on, in the reactor's thread, as they happen.

        @return: ends it.
        """
        self._hearers.append(hear)
        return lambda: self._hearers.remove(hear)

    def publish(self, kind: str, **details: Any) -> None:
        """
        Something happened.

        @param details: the fields of the L{Event}, but for its time.
        """
        event = Event(kind, self.wallClock(), **details)
        self._log.emit(_levelOf(kind), "{sentence}", sentence=sentence(event))
        for hear in tuple(self._hearers):
            try:
                hear(event)
            except Exception:  # nobody who hears of a door may keep it from closing
                self._log.failure("an event was not heard by all")


def _levelOf(kind: str) -> Any:
    if kind in ERRORS:
        return LogLevel.error
    return LogLevel.warn if kind in WARNINGS else LogLevel.info
