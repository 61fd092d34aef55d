"""The publisher makes all events, and hands each to every subscriber."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.logger import Logger, LogLevel

from pkdoors.events.event import ERRORS, LOGGED, WARNINGS, Event, fields
from pkdoors.events.history import EventHistory, PastEvent

Subscriber = Callable[[Event], None]
Follower = Callable[[PastEvent], None]

_T = TypeVar("_T")


class EventPublisher:
    """
    Writes every event to the log, and passes it to the subscribers.

    @ivar wallClock: the time of day, in seconds since 1970.
    @ivar history: the latest events.
    """

    _log = Logger("pkdoors")

    def __init__(self, wallClock: Callable[[], float] = time.time) -> None:
        self.wallClock = wallClock
        self.history = EventHistory()
        self._subscribers: list[Subscriber] = []
        self._followers: list[Follower] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """
        Pass all events to a subscriber from now on, in the reactor's thread, as they happen.

        @return: a function that ends the subscription.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def follow(self, follower: Follower) -> Callable[[], None]:
        """
        Likewise pass all events to a follower, as the history has them. Followers hear before
        subscribers, which may publish another event in turn: so they hear in the history's order.
        """
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def publish(self, kind: str, **details: Any) -> None:
        """
        Publish an event.

        @param details: the fields of the L{Event}, except its kind and time.
        """
        event = Event(kind, self.wallClock(), **details)
        told = fields(event)
        kept = {name: told[name] for name in LOGGED}
        self._log.emit(_levelOf(kind), "{sentence}", sentence=told["text"], **kept)
        self._tell(self._followers, self.history.add(told))
        self._tell(self._subscribers, event)

    def _tell(self, listeners: list[Callable[[_T], None]], event: _T) -> None:
        for hear in tuple(listeners):
            try:
                hear(event)
            except Exception:  # a subscriber that fails must not keep a door from closing
                self._log.failure("a subscriber failed to handle an event")


def _levelOf(kind: str) -> Any:
    if kind in ERRORS:
        return LogLevel.error
    return LogLevel.warn if kind in WARNINGS else LogLevel.info
