"""Spreads the checks of sealed knocks over turns of the reactor."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.locks.lock import Refusal, Request
from pkdoors.util.loglimits import LineLimit


class SealTurns(Component):
    """
    While sealed knocks wait, checks a few of them at a time, and lets the daemon hear other knocks
    in between. If none waits, nothing wakes up.

    @param timeOfDay: seconds since 1970.
    @param heed: acts on the results.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        timeOfDay: Callable[[], float],
        smith: Locksmith,
        heed: Callable[[Iterable[Request | Refusal]], None],
    ) -> None:
        self._clock = clock
        self._timeOfDay = timeOfDay
        self._smith = smith
        self._checks = smith.checks
        self._heed = heed
        self._limit = LineLimit()
        self._call: IDelayedCall | None = None
        self._checks.onWaiting = self._schedule

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}. Knocks that still wait are never checked."""
        self._checks.onWaiting = lambda: None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._smith.stop()
        return succeed(None)

    def _schedule(self) -> None:
        if self._call is not None:
            return
        pause = self._checks.pause(self._clock.seconds())
        if pause is not None:
            self._call = self._clock.callLater(pause, self._turn)

    def _turn(self) -> None:
        self._call = None
        now = self._clock.seconds()
        try:
            for result in self._checks.work(now, self._timeOfDay()):
                self._heed([result])
        except Exception:  # the others that wait must still get their turn
            if self._limit.admit("", now):
                self._log.failure("the check of a sealed knock went wrong")
        self._schedule()
