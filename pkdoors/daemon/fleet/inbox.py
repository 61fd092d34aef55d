"""Works on what the fleet's process hands in, without making knocks wait."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper.outcome import REFUSED, Outcome
from pkdoors.util.ratelimits import TimeBudget

SHARE = 0.25
"""The share of one processor for relayed seals and orders. Seals over UDP have their own, so both
together leave a quarter to everything else."""
SLICE = 0.002
"""Seconds of this work in one turn of the reactor, as of the checks of seals over UDP."""
SAVED = 0.05
"""Seconds of it that can be saved up: two hundred seals that come at once need not wait."""
SHORT = 100
"""Bytes of a line. Answers to claims are shorter, and come first, because a client waits for them;
seals and orders are longer."""


@dataclass(slots=True)
class _Batch:
    """
    The lines of one request.

    @ivar left: how many have no outcome yet.
    """

    outcomes: list[Outcome]
    left: int
    done: Deferred[list[Outcome]] = field(init=False)


_Line = tuple[bytes, int, _Batch]
"""A line, and which one of its request it is."""


class Inbox:
    """
    Works on lines in their order, at once if there is time. Lines whose sender has gone are left
    out: so what waits has a bound, the number of connections.

    @param act: works on one line.
    @param isStopping: returns whether the daemon stops. Then the rest gets no answer, so it is
        handed in to the next daemon.
    @param cost: returns the processor time that this thread has used so far, in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        act: Callable[[bytes], Outcome],
        isStopping: Callable[[], bool] = lambda: False,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._act = act
        self._isStopping = isStopping
        self._cost = cost
        self._budget = TimeBudget(SHARE, SAVED)
        self._short: deque[_Line] = deque()
        self._long: deque[_Line] = deque()
        self._call: IDelayedCall | None = None
        self._isStopped = False

    def add(self, lines: Sequence[bytes]) -> Deferred[list[Outcome]]:
        """
        Return a Deferred that fires with the outcome of each line, when all are known. If it is
        cancelled, the lines that wait are forgotten.
        """
        batch = _Batch([Outcome(REFUSED)] * len(lines), len(lines))
        batch.done = Deferred(lambda _: self._forget(batch))
        for number, line in enumerate(lines):
            queue = self._short if len(line) < SHORT else self._long
            queue.append((line, number, batch))
        if not lines:
            batch.done.callback([])
        elif self._call is None and not self._isStopped:  # else others had this turn
            self._work()
        return batch.done

    def _forget(self, batch: _Batch) -> None:
        for queue in (self._short, self._long):
            kept = [line for line in queue if line[2] is not batch]
            queue.clear()
            queue.extend(kept)

    def stop(self) -> None:
        """Leave the rest, for which nobody gets an answer."""
        self._isStopped = True
        self._short.clear()
        self._long.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _work(self) -> None:
        self._call = None
        if self._isStopping():
            return
        finished = []
        began, took = self._cost(), 0.0
        hasTime = self._budget.has(self._clock.seconds())
        while hasTime and took < SLICE and (self._short or self._long):
            line, number, batch = (self._short or self._long).popleft()
            batch.outcomes[number] = self._actOn(line)
            batch.left -= 1
            if not batch.left:
                finished.append(batch)
            took = self._cost() - began
        self._budget.spend(took)
        isMore = bool(self._short or self._long)
        pause = self._budget.pause(SLICE / 2) if isMore else 0.0
        if not self._isStopped:
            self._call = self._clock.callLater(pause, self._work if isMore else self._rest)
        for batch in finished:
            if not batch.done.called:  # an answer can end the connection of another one
                batch.done.callback(batch.outcomes)

    def _rest(self) -> None:
        self._call = None
        if self._short or self._long:
            self._work()

    def _actOn(self, line: bytes) -> Outcome:
        try:
            return self._act(line)
        except Exception:  # the others must still get their turn
            self._log.failure("a relayed line could not be handled")
            return Outcome(REFUSED, "internal error: see the daemon's log")
