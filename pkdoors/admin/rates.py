"""The JSON of C{GET /rates}. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pkdoors.daemon.rates import STEP, Step


@dataclass(frozen=True, slots=True)
class RateRecord:
    """
    The counts of one step.

    @ivar time: the time of day at its end, by the clock as it is now.
    @ivar seconds: how long it was; longer than usual if the daemon was busy.
    @ivar knocks: datagrams that the daemon heard on knock ports, of any kind.
    @ivar request: those of them that satisfied a lock.
    @ivar refused: those of them that were refused aloud.
    @ivar limit: datagrams that were dropped before, because one source sent too many.
    @ivar junk: likewise, because they could not be knocks.
    @ivar overflow: likewise, because a buffer was full.
    @ivar opened: openings that began.
    """

    time: datetime
    seconds: float
    knocks: int
    request: int
    refused: int
    limit: int
    junk: int
    overflow: int
    opened: int


@dataclass(frozen=True, slots=True)
class RatesRecord:
    """
    The answer to C{GET /rates}.

    @ivar step: the usual length of a step, in seconds.
    @ivar rates: the oldest step first.
    """

    step: float
    rates: Sequence[RateRecord]


def recordRates(steps: Iterable[Step], seconds: float, time: float) -> RatesRecord:
    """
    Return the counts of some steps as a record.

    @param seconds: now, on the clock of the steps.
    @param time: the time of day then. It is the only one that counts: the steps stay in order if
        somebody sets the clock.
    """
    return RatesRecord(STEP, [_recordStep(step, time - seconds) for step in steps])


def _recordStep(step: Step, start: float) -> RateRecord:
    return RateRecord(
        datetime.fromtimestamp(start + step.end, UTC), round(step.seconds, 3), *step.counts
    )
