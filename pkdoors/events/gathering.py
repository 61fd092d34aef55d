"""Delivers events in groups to a subscriber that is in no hurry."""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

T = TypeVar("T")
Subscribe = Callable[[Callable[[T], None]], Callable[[], None]]

MOST = 25
"""Events that wait. Then they are delivered at once: together they take a millisecond."""


def gatherEvents(clock: IReactorTime, subscribe: Subscribe[T], seconds: float) -> Subscribe[T]:
    """
    Return a way to subscribe that delivers events together, in their order.

    @param seconds: how long an event waits for others.
    """

    def subscribeLater(hear: Callable[[T], None]) -> Callable[[], None]:
        gathering = _Gathering(clock, hear, seconds)
        unsubscribe = subscribe(gathering.hear)

        def stop() -> None:
            unsubscribe()
            gathering.stop()

        return stop

    return subscribeLater


class _Gathering(Generic[T]):
    """The events that wait for one subscriber."""

    def __init__(self, clock: IReactorTime, hear: Callable[[T], None], seconds: float) -> None:
        self._clock = clock
        self._hear = hear
        self._seconds = seconds
        self._waiting: list[T] = []
        self._call: IDelayedCall | None = None

    def hear(self, event: T) -> None:
        """Let an event wait for others."""
        self._waiting.append(event)
        if len(self._waiting) >= MOST:
            self._deliver()
        elif self._call is None:
            self._call = self._clock.callLater(self._seconds, self._deliver)

    def stop(self) -> None:
        """Deliver nothing more."""
        self._waiting.clear()
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _deliver(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._hear(event)
