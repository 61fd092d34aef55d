"""Puts back what somebody else took out of a firewall."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import FirewallError
from pkdoors.events.event import HEAL_FAILED, HEALED
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Opening
from pkdoors.util.backoff import BackOff
from pkdoors.util.loglimits import LineLimit

PAUSE = 0.05
"""Seconds between two restorations at least: a script that flushes in a loop keeps us from nothing
else. Within twice this time all is back."""
FIRST_RETRY = 1.0
"""Seconds after which a restoration that failed is tried again; doubled each time."""
LAST_RETRY = 30.0
"""The longest time between two tries, in seconds."""


class Healer:
    """
    @param wanted: gives what ought to be open now.
    @param healed: called after each restoration.
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
        self._publisher = publisher
        self._waiting: list[Deferred[str]] = []
        self._firewall = firewall
        self.name = firewall.name
        self._wanted = wanted
        self._healed = onHealed
        self._call: IDelayedCall | None = None
        self._busy = False
        self._again = False
        self._stopped = False
        self._next = 0.0  # before this no restoration begins
        self._limit = LineLimit()
        self._backOff = BackOff(FIRST_RETRY, LAST_RETRY)
        self._why = ""  # what the next line in the log begins with
        self._trouble = ""  # why it cannot be put back
        self._isTold = False  # whether the log says so

    def lost(self, why: str) -> None:
        """
        Something may be missing: see to it, soon.

        @param why: the beginning of a sentence, for the log.
        """
        self._why = why
        self.restore()

    def restore(self) -> None:
        """Put all there, soon."""
        if self._busy:
            self._again = True
        elif not self._stopped and (self._call is None or self._trouble):
            self._schedule(max(0.0, self._next - self._clock.seconds()))

    def restored(self) -> Deferred[str]:
        """
        Put all there, soon.

        @return: fires after the next try with why it failed, or with nothing.
        """
        self.restore()
        waiting: Deferred[str] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def stop(self) -> None:
        """Put nothing back any more."""
        self._stopped = True
        self._cancel()
        self._answer(f"the daemon ends before {self.name} has followed")

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
            lambda failure: self._log.failure("putting back went wrong", failure)
        )

    async def _restore(self) -> None:
        self._busy, self._again = True, False
        self._next = self._clock.seconds() + PAUSE
        delay = PAUSE
        try:
            await self._firewall.restore(self._wanted())
        except Exception as error:
            self._complain(error)
            delay = self._backOff.next()
        else:
            self._rejoice()
        finally:
            self._busy = False
        if not self._stopped and (self._again or self._trouble):
            self._schedule(PAUSE if self._again else delay)
        if not self._again:
            self._answer(self._trouble)
        if not self._trouble:
            self._healed()

    def _answer(self, trouble: str) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:  # who waited may have lost patience
                each.callback(trouble)

    def _rejoice(self) -> None:
        isTold, self._isTold, self._trouble = self._isTold, False, ""
        why, self._why = self._why, ""
        self._backOff.reset()
        if isTold or (why and self._limit.admit("", self._clock.seconds())):
            self._tell(HEALED, cause=why, leftOut=self._limit.newSuppressed())

    def _tell(self, kind: str, **details: Any) -> None:
        self._publisher.publish(kind, firewall=self._firewall.name, **details)

    def _complain(self, error: Exception) -> None:
        """Say it once, however often it is tried again."""
        trouble = str(error) or repr(error)
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if not self._limit.admit("trouble", self._clock.seconds()):
            return
        self._isTold = True
        why, self._why = self._why, ""
        self._tell(HEAL_FAILED, cause=why, reason=trouble)
        if not isinstance(error, FirewallError):  # a mistake of ours must not end the healing
            self._log.failure("that was unexpected", Failure(error))
