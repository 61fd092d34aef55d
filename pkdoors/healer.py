"""Puts the guard and all openings back when somebody else took them out of the firewall."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.doors import Opening
from pkdoors.errors import FirewallError
from pkdoors.interfaces import IFirewall
from pkdoors.limits import LineLimit

PAUSE = 0.05
"""Seconds between two restorations at least: a script that flushes in a loop keeps us from nothing
else. Within twice this time all is back."""
FIRST_RETRY = 1.0
"""Seconds after which a restoration that failed is tried again; doubled each time."""
LAST_RETRY = 30.0
"""The longest time between two tries, in seconds."""


class Healer:
    """
    @param openings: gives what is to be open now.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, firewall: IFirewall, openings: Callable[[], Iterable[Opening]]
    ) -> None:
        self._clock = clock
        self._firewall = firewall
        self._openings = openings
        self._call: IDelayedCall | None = None
        self._busy = False
        self._again = False
        self._stopped = False
        self._next = 0.0  # before this no restoration begins
        self._limit = LineLimit()
        self._retry = FIRST_RETRY

    def lost(self, why: str) -> None:
        """Something may be missing: see to it, soon."""
        self._warn(why)
        if self._busy:
            self._again = True
        elif not self._stopped and (self._call is None or self._retry > FIRST_RETRY):
            self._schedule(max(0.0, self._next - self._clock.seconds()))

    def stop(self) -> None:
        """Put nothing back any more."""
        self._stopped = True
        self._cancel()

    def _schedule(self, seconds: float) -> None:
        self._cancel()
        self._call = self._clock.callLater(seconds, self._begin)

    def _cancel(self) -> None:
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def _begin(self) -> None:
        self._call = None
        Deferred.fromCoroutine(self._restore()).addErrback(
            lambda failure: self._log.failure("putting the guard back went wrong", failure)
        )

    async def _restore(self) -> None:
        self._busy, self._again = True, False
        self._next = self._clock.seconds() + PAUSE
        try:
            await self._firewall.restore(self._openings())
        except FirewallError as error:
            self._log.error(
                "cannot put the guard back, trying again in {seconds:g} s: {error}",
                seconds=self._retry,
                error=error,
            )
            delay, self._retry = self._retry, min(2 * self._retry, LAST_RETRY)
        else:
            delay, self._retry = PAUSE, FIRST_RETRY
        finally:
            self._busy = False
        if not self._stopped and (self._again or self._retry > FIRST_RETRY):
            self._schedule(delay)

    def _warn(self, why: str) -> None:
        if self._limit.admit("", self._clock.seconds()):
            self._log.warn(
                "{why}: putting the guard and the openings back{more}",
                why=why,
                more=self._limit.leftOut(),
            )
