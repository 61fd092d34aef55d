"""Remembers what was heard and dropped, step by step, for C{GET /rates}."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.daemon.component import Component
from pkdoors.events.counters import Counters
from pkdoors.events.event import OPENED

STEP = 10.0
"""Seconds of a step. A look at the counters takes 0.8 ms of a processor."""
STEPS = 90
"""Steps that are kept: a quarter of an hour, in some 20 KB."""

Counts = tuple[int, ...]


class Step(NamedTuple):
    """
    The counts of one step.

    @ivar end: when it ended, on the daemon's clock.
    @ivar seconds: how long it was.
    @ivar counts: datagrams that were heard, and those of them that satisfied a lock, or were
        refused; those that were dropped before, because they were too many, junk, or more than a
        buffer could hold; openings that began.
    """

    end: float
    seconds: float
    counts: Counts


class Rates(Component):
    """
    Looks at the counters after each step, whether anybody asks or not: a page that is opened after
    an attack shows it, too.

    @param clock: must not jump.
    """

    def __init__(self, clock: IReactorTime, counters: Counters) -> None:
        self._clock = clock
        self._counters = counters
        self._steps: deque[Step] = deque(maxlen=STEPS)
        self._call: IDelayedCall | None = None
        self._last = self._due = 0.0
        self._before: Counts = ()

    def steps(self) -> Sequence[Step]:
        """Return the steps that have ended, the oldest first."""
        return tuple(self._steps)

    def start(self) -> None:
        """See L{Component.start}. What was counted before belongs to no step."""
        self._before = self._read()
        self._last = self._due = self._clock.seconds()
        self._schedule()

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        return succeed(None)

    def _schedule(self) -> None:
        """Look again at the end of this step, which is short if the last look was late."""
        now = self._clock.seconds()
        self._due += STEP * max(1.0, (now - self._due) // STEP + 1)
        self._call = self._clock.callLater(self._due - now, self._look)

    def _look(self) -> None:
        self._schedule()
        now, counts = self._clock.seconds(), self._read()
        new = tuple(count - old for count, old in zip(counts, self._before, strict=True))
        self._steps.append(Step(now, now - self._last, new))
        self._last, self._before = now, counts

    def _read(self) -> Counts:
        knocks, dropped = self._counters.knocks, self._counters.dropped()
        return (
            sum(knocks.values()),
            knocks["request"],
            knocks["refused"],
            *(dropped.get(reason, 0) for reason in ("limit", "junk", "overflow")),
            self._counters.events[OPENED],
        )
