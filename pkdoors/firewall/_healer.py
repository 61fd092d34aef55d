"""Puts back what somebody else took out of a firewall."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import FirewallError
from pkdoors.events.event import HEAL_FAILED, HEALED
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Opening
from pkdoors.util.backoff import BackOff
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.trouble import Trouble
from pkdoors.util.turns import WakeableSleep

PAUSE = 0.05
"""Minimum seconds between two restorations: a script that flushes in a loop does not keep the
daemon from its other work. Everything is back within twice this time."""
FIRST_RETRY = 1.0
"""Seconds until a failed restoration is tried again; doubled after each failure."""
LAST_RETRY = 30.0
"""The longest time between two tries, in seconds."""


class Healer:
    """
    Restores one firewall when something is missing in it, and tries again until that succeeds.

    @param wanted: returns the openings that should exist now.
    @param onHealed: called after each restoration.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        firewall: IFirewall,
        wanted: Callable[[], Iterable[Opening]],
        onHealed: Callable[[], None],
        publisher: EventPublisher,
    ) -> None:
        self._clock = clock
        self._firewall = firewall
        self._wanted = wanted
        self._onHealed = onHealed
        self._report = _HealReport(clock, firewall.name, publisher)
        self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        self._waiting: list[Deferred[str]] = []
        self._isDue = False  # whether another restoration must begin
        self._isHealing = False
        self._isStopped = False
        self._notBefore = 0.0  # when the next restoration may begin
        self._pause = WakeableSleep(clock)  # only the stop ends it early
        self._retry = WakeableSleep(clock)  # a loss ends it early, too

    @property
    def name(self) -> str:
        """The name of the firewall."""
        return self._firewall.name

    @property
    def isInPlace(self) -> bool:
        """Whether everything is in the firewall, as far as the last try knows."""
        return not self._report.trouble

    def onLost(self, cause: str) -> None:
        """
        Restore the firewall soon, because something may be missing.

        @param cause: the beginning of a sentence for the log.
        """
        self._report.cause = cause
        self.restore()

    def restore(self) -> None:
        """Restore the firewall soon."""
        wasDue, self._isDue = self._isDue, True
        if self._isStopped or (wasDue and self._isHealing):
            return
        if not self._isHealing:
            Deferred.fromCoroutine(self._heal()).addErrback(
                lambda failure: self._log.failure("putting back went wrong", failure)
            )
        else:
            self._retry.wake()

    def awaitRestoration(self) -> Deferred[str]:
        """
        Restore the firewall soon.

        @return: fires after the next try: with the reason if it failed, or with an empty text.
        """
        self.restore()
        waiting: Deferred[str] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def stop(self) -> None:
        """Restore nothing any more."""
        self._isStopped = True
        self._pause.wake()
        self._retry.wake()
        self._answer(f"the daemon stops before {self.name} has followed")

    async def _heal(self) -> None:
        """Restore the firewall until nothing is missing."""
        self._isHealing = True
        try:
            while self._isDue and not self._isStopped:
                # Through the reactor, even if it is for no time: the caller of L{restore} may be in
                # the middle of something.
                await self._pause.sleep(max(0.0, self._notBefore - self._clock.seconds()))
                if self._isStopped:
                    return
                self._isDue = False
                delay = await self._restore()
                self._notBefore = self._clock.seconds() + PAUSE
                if delay and not (self._isDue or self._isStopped):
                    await self._retry.sleep(delay)
                    self._isDue = True
        finally:
            self._isHealing = False

    async def _restore(self) -> float:
        """Try once. Return the seconds until the next try if this one failed, otherwise 0."""
        try:
            await self._firewall.restore(self._wanted())
        except Exception as error:
            delay = self._backOff.next()
            self._report.fail(error)
        else:
            delay = 0.0
            self._backOff.reset()
            self._report.succeed()
        if not self._isDue:  # otherwise the next try answers
            self._answer(self._report.trouble.text)
        if not delay:
            self._onHealed()
        return delay

    def _answer(self, trouble: str) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            if not deferred.called:  # the caller's own time may be over
                deferred.callback(trouble)


class _HealReport:
    """
    Reports how the healing of one firewall goes: a failure once, however often it is tried again.

    @ivar cause: who or what took something away; the next report begins with it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, firewall: str, publisher: EventPublisher) -> None:
        self._clock = clock
        self._firewall = firewall
        self._publisher = publisher
        self._limit = LineLimit()
        self.trouble = Trouble()
        self.cause = ""

    def fail(self, error: Exception) -> None:
        """Report that a try failed."""
        reason = str(error) or repr(error)
        if not self.trouble.begin(reason, isReported=False):
            return
        if not self._limit.admit("trouble", self._clock.seconds()):
            return
        self.trouble.isReported = True
        self._publisher.publish(
            HEAL_FAILED, firewall=self._firewall, cause=self._takeCause(), reason=reason
        )
        if not isinstance(error, FirewallError):  # a bug of ours
            self._log.failure("that was unexpected", Failure(error))

    def succeed(self) -> None:
        """Report that all is back, if a failure was reported or the cause is known."""
        wasReported, cause = self.trouble.end(), self._takeCause()
        if wasReported or (cause and self._limit.admit("", self._clock.seconds())):
            leftOut = self._limit.newSuppressed()
            self._publisher.publish(HEALED, firewall=self._firewall, cause=cause, leftOut=leftOut)

    def _takeCause(self) -> str:
        cause, self.cause = self.cause, ""
        return cause
