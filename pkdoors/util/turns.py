"""
Ways not to hold the reactor: L{Turns} and L{takeInTurns} spread work over several turns, L{Slices}
does so and leaves time for everything else, L{makeBeside} does it in a thread, and
L{WakeableSleep} is a sleep that can be cut short.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

T = TypeVar("T")

SLICE = 0.002
"""Seconds of long work in one turn of the reactor."""
PER_TURN = 25
"""How many may proceed in one turn of the reactor. They take some milliseconds; then knocks, timers
and the admin interface get their turns."""

FORGOTTEN = 500
"""Things of which the memory is freed in one turn."""

PORTION = 0.005
"""Seconds of work in one turn of the reactor, if it has many small steps."""


class Turns:
    """
    Spread work over reactor turns, first come, first served.

    @param perTurn: how many may proceed in one turn of the reactor.
    """

    def __init__(self, clock: IReactorTime, perTurn: int = PER_TURN) -> None:
        self._clock = clock
        self._perTurn = self._left = perTurn
        self._isCounting = False
        self._waiting: deque[Deferred[None]] = deque()

    def next(self) -> Deferred[None]:
        """Return a Deferred that fires when the caller may proceed: at once if few came before."""
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


class Slices:
    """
    Does long work in slices, one piece after the other, and leaves half of the time to everything
    else.

    @param cost: returns the processor time that this thread has used so far, in seconds.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, cost: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._cost = cost
        self._works: deque[Iterator[object]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, work: Iterator[object]) -> None:
        """Do work, whose steps are short."""
        self._works.append(work)
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def stop(self) -> None:
        """Leave the rest."""
        self._works.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _turn(self) -> None:
        self._call, began, took = None, self._cost(), 0.0
        while self._works and took < SLICE:
            try:
                next(self._works[0])
            except StopIteration:
                self._works.popleft()
            except Exception:
                self._works.popleft()
                self._log.failure("work in slices went wrong")
            took = self._cost() - began
        if self._works:
            self._call = self._clock.callLater(took, self._turn)


async def forget(turns: Turns, things: list[Any]) -> None:
    """
    Empty a list of things that nobody else has, some in each turn of the reactor: to free 65,000 of
    them takes 25 ms.
    """
    while things:
        await turns.next()
        del things[-FORGOTTEN:]


async def takeInTurns(clock: IReactorTime, steps: Iterable[object]) -> None:
    """
    Take the steps of some work, for L{PORTION} in each turn of the reactor. Each step must leave
    everything in order, as others have their turns after any of them.
    """
    end = clock.seconds() + PORTION
    for _ in steps:
        if clock.seconds() >= end:
            await deferLater(clock, 0)
            end = clock.seconds() + PORTION


class Beside(Protocol):
    """Does work beside the reactor, or at once."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Return a Deferred that fires with what the work returns, or fails with its error."""


def atOnce(work: Callable[[], T]) -> Deferred[T]:
    """Do work at once: the L{Beside} of code that has no reactor, and of most tests."""
    return execute(work)


def makeBeside(reactor: Any) -> Beside:
    """
    Return what does work in a thread of a reactor's pool, so that knocks are heard meanwhile. The
    work must use nothing that the reactor's own thread may change.
    """

    def runBeside(work: Callable[[], T]) -> Deferred[T]:
        from twisted.internet.threads import deferToThreadPool  # most daemons never need it

        return deferToThreadPool(reactor, reactor.getThreadPool(), work)

    return runBeside


class WakeableSleep:
    """
    A sleep that L{wake} can end early.
    """

    __slots__ = ("_alarm", "_clock")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._alarm: Deferred[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Sleep for at most so many seconds."""
        self._alarm = alarm = Deferred[None]()
        call = self._clock.callLater(seconds, self.wake)
        try:
            await alarm
        finally:
            if call.active():
                call.cancel()

    def wake(self) -> None:
        """End the sleep, if there is one."""
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.callback(None)
