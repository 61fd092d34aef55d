"""Whether somebody looks at the page."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

PATIENCE = 600.0
"""Seconds without a page until C{pkdoors web} ends: a user may look for another browser, but
nothing listens for longer than it is needed."""


class Presence:
    """
    Counts the requests of sessions that are under way. A page that is open follows the events, so
    it always has one.

    @param onAway: called when there has been none for L{PATIENCE}.
    """

    def __init__(self, clock: IReactorTime, onAway: Callable[[], None]) -> None:
        self._clock = clock
        self._onAway = onAway
        self._count = 0
        self._lastEnd = float("-inf")
        self._isRunning = False
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to wait for somebody."""
        self._isRunning = True
        self._wait()

    def stop(self) -> None:
        """Wait no more."""
        self._isRunning = False
        self._cancel()

    def wasHere(self, seconds: float) -> bool:
        """Return whether a page has asked something within the last seconds."""
        return bool(self._count) or self._clock.seconds() - self._lastEnd <= seconds

    def begin(self) -> None:
        """Note that a request begins."""
        self._count += 1
        self._cancel()

    def end(self, _: object = None) -> None:
        """Note that a request has ended."""
        self._count -= 1
        self._lastEnd = self._clock.seconds()
        if not self._count and self._isRunning:
            self._wait()

    def _wait(self) -> None:
        self._cancel()
        self._timer = self._clock.callLater(PATIENCE, self._onAway)

    def _cancel(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
