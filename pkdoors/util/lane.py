"""A lane beside the reactor: one piece of long work at a time, and what has to wait for its end."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import inf
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from pkdoors.util.turns import PORTION, Beside, atOnce

T = TypeVar("T")

WAITED = 0.005
"""Seconds of calls that have waited, and are made in one turn of the reactor. Then the next work
begins: calls that fail because work is due would keep it from beginning."""
PATIENCE = 20
"""Turns of calls that work in the reactor lets pass, as there must be none when it begins."""


class Lane:
    """
    Does the long work on something that allows only one user at a time, such as a connection. Work
    runs beside the reactor. Short calls are made at once, in the reactor; if the lane is busy, they
    are made as soon as the present work is over, in their order, between this work and the next. So
    whatever comes while the lane works finds the same state as if the work had held the reactor.

    @param beside: does work beside the reactor.
    @ivar stop: ends whatever does that work.
    """

    def __init__(
        self,
        clock: IReactorTime,
        beside: Beside = atOnce,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.stop = stop
        self._clock = clock
        self._beside = beside
        self._isBusy = False
        self._isWorking = False  # beside the reactor, at this moment
        self._calls: deque[Callable[[], None]] = deque()
        self._works: deque[tuple[Callable[[], bool], bool]] = deque()
        self._patience = PATIENCE
        self._after: deque[Callable[[], object]] = deque()

    @property
    def isBusy(self) -> bool:
        """Whether calls have to wait."""
        return self._isBusy

    def do(self, call: Callable[[], Deferred[T]]) -> Deferred[T]:
        """
        Make a short call: now, or when the present work is over.

        @return: what the call returns. If this is cancelled before, the call is not made.
        """
        if not self._isBusy:
            return call()
        made: list[Deferred[T]] = []
        waiting: Deferred[T] = Deferred(lambda _: made[0].cancel() if made else None)

        def begin() -> None:
            if not waiting.called:
                made.append(call())
                made[0].chainDeferred(waiting)

        self._calls.append(begin)
        return waiting

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work beside the reactor when its turn comes.

        @return: what it returns. If this is cancelled before it begins, it is not done.
        """
        return self._add(lambda: self._beside(work))

    def runPrepared(self, prepare: Callable[[], Callable[[], T]]) -> Deferred[T]:
        """
        Do the same with work that is prepared in the reactor, when its turn has come.

        @param prepare: returns the work.
        """
        return self._add(lambda: self._beside(prepare()))

    def runHere(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work in the reactor when its turn comes and no call waits. Whoever waits for it goes on
        in the same turn, before any other call.
        """
        return self._add(lambda: execute(work), isHere=True)

    async def take(self, steps: Iterable[object]) -> None:
        """
        Take the steps of some work beside the reactor, see L{run}. Each step must leave everything
        in order: others have their turns after any of them.
        """
        rest = iter(steps)
        while await self.run(partial(self._takeSome, rest)):
            await deferLater(self._clock, 0)

    async def takeHere(self, steps: Iterable[object]) -> None:
        """Take the steps of some work in the reactor, see L{runHere}."""
        rest, end = iter(steps), object()
        while await self.runHere(partial(next, rest, end)) is not end:
            await deferLater(self._clock, 0)

    def afterwards(self, call: Callable[[], object]) -> None:
        """
        Make a call that only the reactor's thread may make: now, or if work is done beside the
        reactor, after it. The work itself may call this.
        """
        if self._isWorking:
            self._after.append(call)
        else:
            call()

    def _takeSome(self, steps: Iterator[object]) -> bool:
        """Take some steps. Return whether more may follow."""
        end = self._clock.seconds() + PORTION
        for _ in steps:
            if self._clock.seconds() >= end:
                return True
        return False

    def _add(self, begin: Callable[[], Deferred[T]], isHere: bool = False) -> Deferred[T]:
        done: Deferred[T] = Deferred(lambda _: None)
        self._works.append((partial(self._begin, begin, done), isHere))
        if not self._isBusy:
            self._isBusy = True
            self._goOn()
        return done

    def _goOn(self) -> None:
        """Make calls that wait, then begin the next work."""
        while self._calls or self._works:
            self._makeCalls(self._clock.seconds() + WAITED)
            isHere = bool(self._works) and self._works[0][1]
            if self._calls and isHere and not self._patience:
                self._makeCalls()
            if self._calls and (isHere or not self._works):
                self._patience -= isHere
                self._clock.callLater(0, self._goOn)
                return
            if self._works:
                self._patience = PATIENCE
                begin, _ = self._works.popleft()
                if not begin():
                    return
        self._isBusy = False

    def _makeCalls(self, end: float = inf) -> None:
        """Make the calls that wait, until some time."""
        while self._calls:
            self._calls.popleft()()
            if self._clock.seconds() >= end:
                return

    def _begin(self, begin: Callable[[], Deferred[T]], done: Deferred[T]) -> bool:
        """Begin work. Return whether it is over already."""
        if done.called:  # it was cancelled
            return True
        isOver = False

        def end(result: Any) -> None:
            nonlocal isOver
            self._isWorking, isLate, isOver = False, hasReturned, True
            while self._after:
                self._after.popleft()()
            if not done.called:
                (done.errback if isinstance(result, Failure) else done.callback)(result)
            if isLate:
                self._goOn()

        hasReturned = False
        self._isWorking = True
        try:
            working = begin()
        except Exception:
            end(Failure())
        else:
            working.addBoth(end)
        hasReturned = True
        return isOver
