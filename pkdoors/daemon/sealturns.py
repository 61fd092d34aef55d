"""Spreads the checks of sealed knocks, and the reading of keys, over turns of the reactor."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.locks.lock import Refusal, Request
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.turns import Slices

TAG_EVERY = 60.0
"""Seconds between two looks whether another hour begins, for which very many keys need tags."""


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
        self._slices = Slices(clock)
        self._tagging: IDelayedCall | None = None

    def start(self) -> None:
        """See L{Component.start}. Until here, keys were read at once."""
        self._smith.readBeside(self._slices.add)
        self._smith.onKeys = self._tagSoon
        self._tag()

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}. Knocks that still wait are never checked."""
        self._checks.onWaiting = self._smith.onKeys = lambda: None
        self._slices.stop()
        for call in (self._call, self._tagging):
            if call is not None:
                call.cancel()
        self._call = self._tagging = None
        self._smith.stop()
        return succeed(None)

    def _schedule(self) -> None:
        if self._call is not None:
            return
        pause = self._checks.pause(self._clock.seconds())
        if pause is not None:
            self._call = self._clock.callLater(pause, self._turn)

    def _tagSoon(self) -> None:
        if self._tagging is not None:
            self._tagging.cancel()
        self._tagging = self._clock.callLater(0, self._tag)

    def _tag(self) -> None:
        self._tagging = None
        if self._smith.tagKeys(self._timeOfDay()):
            self._tagging = self._clock.callLater(TAG_EVERY, self._tag)

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
