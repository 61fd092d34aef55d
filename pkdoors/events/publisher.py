"""The publisher makes all events, and hands each to every subscriber."""

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogLevel

from pkdoors.events.event import ERRORS, LOGGED, WARNINGS, Event, fields

Subscriber = Callable[[Event], None]


class EventPublisher:
    """
    Writes every event to the log, and passes it to the subscribers.

    @ivar wallClock: the time of day, in seconds since 1970.
    """

    _log = Logger("pkdoors")

    def __init__(self, wallClock: Callable[[], float] = time.time) -> None:
        self.wallClock = wallClock
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """
        Pass all events to a subscriber from now on, in the reactor's thread, as they happen.

        @return: a function that ends the subscription.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def publish(self, kind: str, **details: Any) -> None:
        """
        Publish an event.

        @param details: the fields of the L{Event}, except its kind and time.
        """
        event = Event(kind, self.wallClock(), **details)
        told = fields(event)
        kept = {name: told[name] for name in LOGGED}
        self._log.emit(_levelOf(kind), "{sentence}", sentence=told["text"], **kept)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception:  # a subscriber that fails must not keep a door from closing
                self._log.failure("a subscriber failed to handle an event")


def _levelOf(kind: str) -> Any:
    if kind in ERRORS:
        return LogLevel.error
    return LogLevel.warn if kind in WARNINGS else LogLevel.info
