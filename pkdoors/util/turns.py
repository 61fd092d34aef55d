"""
Waiting: for a time that may be cut short, and for one's turn. What many are to do at the same
moment is not all done in one turn of the reactor.
"""

from collections import deque

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

PER_TURN = 25
"""How many may go on in one turn of the reactor, which takes them some milliseconds; then knocks,
timers and the admin interface have theirs."""


class Turns:
    """
    Gives turns, to the first who comes first.

    @param perTurn: how many in one turn of the reactor.
    """

    def __init__(self, clock: IReactorTime, perTurn: int = PER_TURN) -> None:
        self._clock = clock
        self._perTurn = self._left = perTurn
        self._isCounting = False
        self._waiting: deque[Deferred[None]] = deque()

    def next(self) -> Deferred[None]:
        """Fires when it is one's turn: at once where not many came before."""
        if not self._isCounting:
            self._count()
        if self._left:
            self._left -= 1
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _count(self) -> None:
        self._left = self._perTurn
        self._isCounting = True
        self._clock.callLater(0, self._next)

    def _next(self) -> None:
        self._isCounting = False
        if not self._waiting:
            return
        self._count()
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft().callback(None)


class WakeableSleep:
    """
    A sleep from which one can be woken.
    """

    __slots__ = ("_alarm", "_clock")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._alarm: Deferred[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Sleep so long at most."""
        self._alarm = alarm = Deferred[None]()
        call = self._clock.callLater(seconds, self.wake)
        try:
            await alarm
        finally:
            if call.active():
                call.cancel()

    def wake(self) -> None:
        """End it; nobody needs to sleep."""
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.callback(None)
