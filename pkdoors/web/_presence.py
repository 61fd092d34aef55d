"""Whether somebody looks at the page."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

PATIENCE = 600.0
"""Seconds without a page until C{pkdoors web} ends: somebody may have to find a passphrase, or
another browser; but nothing listens for longer than it is needed."""


class Presence:
    """
    Counts the requests of sessions that are under way; a page that is open follows the events, so
    it always has one.

    @param onAway: called when there has been none for L{PATIENCE}.
    """

    def __init__(self, clock: IReactorTime, onAway: Callable[[], None]) -> None:
        self._clock = clock
        self._onAway = onAway
        self._count = 0
        self._timer: IDelayedCall | None = clock.callLater(PATIENCE, onAway)

    def begin(self) -> None:
        """Note that a request begins."""
        self._count += 1
        self.stop()

    def end(self, _: object = None) -> None:
        """Note that a request has ended."""
        self._count -= 1
        if not self._count:
            self.stop()
            self._timer = self._clock.callLater(PATIENCE, self._onAway)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
