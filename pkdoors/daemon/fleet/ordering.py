"""Obeys the orders of a fleet's operators, which this daemon judges for itself."""

from collections.abc import Callable, Iterable, Sequence
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.outcome import Outcome
from pkdoors.events.event import ORDER_REFUSED, ORDERED
from pkdoors.events.publisher import EventPublisher
from pkdoors.keysources.keyuse import KeyUse
from pkdoors.knocks.order import UNBAN
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.orders import (
    DONE,
    LATER,
    REFUSED,
    OrderJudge,
    Verdict,
    listOperators,
)
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.doors import Opening
from pkdoors.util.loglimits import LineLimit

AGAIN = 30.0
"""Seconds until an order is judged again whose time is ahead of this host's clock."""
LOOK = 30.0
"""Seconds between two looks at the keys of the operators, if orders were refused by them."""
MAX_EARLY = 64
"""Such orders that are kept. Each is genuine; the fleet keeps all."""


class OperatorUse(KeyUse):
    """The use of keys that can give orders."""

    right = "may give orders to the fleet"

    def count(self, keys: Iterable[AuthorizedKey]) -> int:
        """See L{KeyUse.count}."""
        return len(listOperators(keys))

    def describeTrouble(self, trouble: object) -> str:
        """See L{KeyUse.describeTrouble}."""
        return f"nobody {self.right}: {trouble}"


class Ordering:
    """
    Judges orders, ends what they end, and reports them.

    @param memory: what this host remembers of its fleet.
    @ivar onOperators: called when the keys of the operators have changed, and orders were refused
        by them before: all must be judged again.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Doorkeeper,
        publisher: EventPublisher,
        memory: FleetMemory,
    ) -> None:
        self._clock = clock
        self._keeper = keeper
        self._publisher = publisher
        self._memory = memory
        self._judge: OrderJudge | None = None
        self._operators: Callable[[], Sequence[AuthorizedKey]] = list
        self._lines = LineLimit()
        self._early: dict[bytes, None] = {}
        self._call: IDelayedCall | None = None
        self._refusedBy: Sequence[AuthorizedKey] = ()
        self._looking: IDelayedCall | None = None  # as long as an order was refused
        self.onOperators: Callable[[], None] = lambda: None

    def use(self, fleet: str, operators: Callable[[], Sequence[AuthorizedKey]]) -> None:
        """Obey the operators of a fleet."""
        self._judge, self._operators = OrderJudge(fleet, operators, self._memory), operators

    def start(self) -> None:
        """
        End what banned keys have opened: an earlier daemon may have noted a ban, and ended before
        it could close everything.
        """
        bans = self._memory.bans
        if bans:
            self._close(
                lambda opening: any(map(bans.findBan, opening.who.keys)), inf, "its key is banned"
            )

    def _close(self, matches: Callable[[Opening], bool], before: float, reason: str) -> None:
        self._keeper.closeOlder(matches, before, reason).addErrback(
            lambda failure: self._log.failure("an order could not close everything", failure)
        )

    def stop(self) -> None:
        """Judge nothing again."""
        self._early.clear()
        for call in (self._call, self._looking):
            if call is not None:
                call.cancel()
        self._call = self._looking = None

    def obey(self, data: bytes) -> Outcome:
        """Judge a sealed order, and do what it says."""
        assert self._judge is not None
        isRepeated = data in self._early
        verdict = self._judge.judge(data, self._clock.seconds(), self._publisher.wallClock())
        if verdict.result == LATER:
            self._keep(data)
        else:
            self._early.pop(data, None)
        if verdict.result == REFUSED and verdict.order is not None and self._looking is None:
            self._refusedBy = self._operators()
            self._looking = self._clock.callLater(LOOK, self._look)
        if verdict.result == DONE:
            self._do(verdict)
        elif verdict.reason and not isRepeated:
            self._refuse(verdict)
        return Outcome(verdict.result, verdict.reason)

    def _do(self, verdict: Verdict) -> None:
        order = verdict.order
        assert order is not None
        self._publisher.publish(ORDERED, who=verdict.who, reason=f"{order.verb} {order.what}")
        if order.verb == UNBAN:
            return
        self._close(verdict.matches, verdict.before, f"by order of {verdict.who}")

    def _refuse(self, verdict: Verdict) -> None:
        """Report an order that does nothing, and why."""
        if self._lines.admit(verdict.reason, self._clock.seconds()):
            leftOut = self._lines.newSuppressed()
            order = verdict.order
            text = f"{order.verb} {order.what}: {verdict.reason}" if order else verdict.reason
            self._publisher.publish(ORDER_REFUSED, who=verdict.who, reason=text, leftOut=leftOut)

    def _look(self) -> None:
        """Look whether the orders that were refused may be good now."""
        if self._operators() == self._refusedBy:
            self._looking = self._clock.callLater(LOOK, self._look)
            return
        self._looking = None
        self.onOperators()

    def _keep(self, data: bytes) -> None:
        """Keep an order that is too early; of too many, the oldest gives way."""
        self._early.pop(data, None)
        self._early[data] = None
        if len(self._early) > MAX_EARLY:
            del self._early[next(iter(self._early))]
        if self._call is None:
            self._call = self._clock.callLater(AGAIN, self._again)

    def _again(self) -> None:
        self._call = None
        for data in [*self._early]:
            self.obey(data)
