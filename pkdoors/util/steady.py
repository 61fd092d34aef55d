"""A clock that does not jump, for a reactor whose clock is the time of day."""

import time
from collections.abc import Callable
from typing import Any


class SteadyReactor:
    """
    A reactor with a clock of its own. Everything else is the other reactor's, which stays as it is.

    If somebody sets the time of day back, timers of the other reactor come late, so whoever waits
    for them is woken late. Deadlines are still right: they are on this clock.

    @param reactor: the other reactor.
    """

    def __init__(self, reactor: Any, seconds: Callable[[], float] = time.monotonic) -> None:
        self._reactor = reactor
        self._seconds = seconds

    def seconds(self) -> float:
        """See L{twisted.internet.interfaces.IReactorTime.seconds}."""
        return self._seconds()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
