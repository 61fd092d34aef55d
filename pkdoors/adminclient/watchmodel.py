"""The data that C{pkdoors watch} shows, and what follows from it. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pkdoors.admin.records import EventRecord, OpeningRecord, StatusRecord
from pkdoors.events.event import EXTENDED, OPENED, TAKEN_OVER

MAX_EVENTS = 200
"""Events that are remembered: more than a terminal has lines."""

RATE_SECONDS = 5.0
"""Seconds over which knocks are counted: with a shorter time the number flickers, with a longer one
it is late."""


@dataclass(frozen=True, slots=True)
class Bar:
    """
    An opening and how far its time has run down.

    @ivar left: seconds until its deadline.
    @ivar full: seconds that it had when it was opened, or last extended, as far as known.
    """

    opening: OpeningRecord
    left: float
    full: float


@dataclass(frozen=True, slots=True)
class _Deadline:
    """A deadline on our own clock, and how far away it was at first."""

    time: float
    full: float


class Board:
    """
    All that the daemon has sent so far. All times are on one clock of ours.

    @ivar status: the last status.
    @ivar trouble: why the daemon did not answer the last request; empty if it did.
    @ivar deafness: why no events arrive; empty if they do.
    @ivar events: the last events, the newest last.
    """

    def __init__(self, status: StatusRecord, now: float) -> None:
        self.status = status
        self.trouble = self.deafness = ""
        self.events: deque[EventRecord] = deque(maxlen=MAX_EVENTS)
        self._deadlines: dict[tuple[str, str], _Deadline] = {}
        self._counts: deque[tuple[float, int]] = deque()
        self._asked = now
        self.learn(status, now)

    def learn(self, status: StatusRecord, now: float) -> None:
        """Take in a new status."""
        self.status, self._asked, self.trouble = status, now, ""
        usual = {door.name: door.openFor for door in status.doors}
        self._deadlines = {
            _keyOf(opening): self._findDeadline(opening, now, usual.get(opening.door, 0.0))
            for opening in status.openings
        }
        self._count(status)

    def hear(self, event: EventRecord, now: float) -> None:
        """Take in an event."""
        self.events.append(event)
        if event.kind in (OPENED, EXTENDED, TAKEN_OVER):
            deadline = _Deadline(now + event.seconds, event.seconds)
            self._deadlines[event.door, event.source] = deadline

    def lose(self, trouble: str) -> None:
        """Note that the daemon does not answer."""
        self.trouble = trouble
        self._counts.clear()

    def uptime(self, now: float) -> float:
        """Return the seconds since the daemon's start."""
        return self.status.uptime + now - self._asked

    def bars(self, now: float) -> Sequence[Bar]:
        """Return the openings, sorted by deadline."""
        bars = [self._makeBar(opening, now) for opening in self.status.openings]
        return sorted(bars, key=lambda bar: bar.left)

    def knocksPerSecond(self) -> float | None:
        """Return the rate of knocks over the last seconds; L{None} while it is unknown."""
        if len(self._counts) < 2:
            return None
        (before, old), (after, new) = self._counts[0], self._counts[-1]
        return (new - old) / (after - before)

    def _makeBar(self, opening: OpeningRecord, now: float) -> Bar:
        deadline = self._deadlines[_keyOf(opening)]
        left = max(0.0, opening.secondsLeft - (now - self._asked))
        return Bar(opening, left, max(deadline.full, left))

    def _findDeadline(self, opening: OpeningRecord, now: float, usual: float) -> _Deadline:
        """
        Return the deadline that is known, or the one that this status shows.

        @param usual: the time that the opening had at first, if nothing else is known of it.
        """
        time = now + opening.secondsLeft
        known = self._deadlines.get(_keyOf(opening))
        if known is None:
            return _Deadline(time, max(usual, opening.secondsLeft))
        if time > known.time + 1:  # it was extended, and the event did not arrive
            return _Deadline(time, opening.secondsLeft)
        return known

    def _count(self, status: StatusRecord) -> None:
        if self._counts and status.uptime <= self._counts[-1][0]:  # it is another daemon
            self._counts.clear()
        self._counts.append((status.uptime, sum(status.counters.knocks.values())))
        while len(self._counts) > 2 and status.uptime - self._counts[1][0] >= RATE_SECONDS:
            self._counts.popleft()


def _keyOf(opening: OpeningRecord) -> tuple[str, str]:
    return opening.door, opening.source
