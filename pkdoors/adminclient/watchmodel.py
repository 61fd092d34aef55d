"""What C{pkdoors watch} knows, and what follows from it. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from pkdoors.adminclient.responses import Happening, OpeningState, Status
from pkdoors.events.event import EXTENDED, OPENED, TAKEN_OVER

MAX_EVENTS = 200
"""Events that are remembered: more than there are lines on a terminal."""

RATE_SECONDS = 5.0
"""Over which knocks a second are counted: less is a flicker, more is late."""


@dataclass(frozen=True, slots=True)
class Bar:
    """
    An opening and how far it has run down.

    @ivar left: seconds until its deadline.
    @ivar full: seconds that it had when it was opened, or extended last, as far as known.
    """

    opening: OpeningState
    left: float
    full: float


@dataclass(frozen=True, slots=True)
class _Known:
    """A deadline on this side's clock, and how far away it was at first."""

    deadline: float
    full: float


class Board:
    """
    What has come from the daemon so far. All times are on one clock of this side.

    @ivar status: how things stood last.
    @ivar trouble: why the daemon did not answer the last time; empty where it did.
    @ivar deafness: why no events come; empty where they do.
    @ivar events: the last ones, the newest last.
    """

    def __init__(self, status: Status, now: float) -> None:
        self.status = status
        self.trouble = self.deafness = ""
        self.events: deque[Happening] = deque(maxlen=MAX_EVENTS)
        self._known: dict[tuple[str, str], _Known] = {}
        self._counts: deque[tuple[float, int]] = deque()
        self._asked = now
        self.learn(status, now)

    def learn(self, status: Status, now: float) -> None:
        """How things stand."""
        self.status, self._asked, self.trouble = status, now, ""
        usual = {door.name: door.openFor for door in status.doors}
        self._known = {
            _key(each): self._knownOf(each, now, usual.get(each.door, 0.0))
            for each in status.openings
        }
        self._count(status)

    def hear(self, event: Happening, now: float) -> None:
        """Something has happened."""
        self.events.append(event)
        if event.kind in (OPENED, EXTENDED, TAKEN_OVER):
            known = _Known(now + event.seconds, event.seconds)
            self._known[event.door, event.source] = known

    def lose(self, trouble: str) -> None:
        """The daemon does not answer."""
        self.trouble = trouble
        self._counts.clear()

    def uptime(self, now: float) -> float:
        """Seconds since the daemon's start."""
        return self.status.uptime + now - self._asked

    def bars(self, now: float) -> Sequence[Bar]:
        """The openings, those that end first first."""
        bars = [self._bar(each, now) for each in self.status.openings]
        return sorted(bars, key=lambda bar: bar.left)

    def knocksPerSecond(self) -> float | None:
        """Knocks a second of late; L{None} while that is not known."""
        if len(self._counts) < 2:
            return None
        (before, old), (after, new) = self._counts[0], self._counts[-1]
        return (new - old) / (after - before)

    def _bar(self, opening: OpeningState, now: float) -> Bar:
        known = self._known[_key(opening)]
        left = max(0.0, opening.secondsLeft - (now - self._asked))
        return Bar(opening, left, max(known.full, left))

    def _knownOf(self, opening: OpeningState, now: float, usual: float) -> _Known:
        """
        @param usual: what the opening had at first if nothing else is known of it.
        """
        deadline = now + opening.secondsLeft
        known = self._known.get(_key(opening))
        if known is None:
            return _Known(deadline, max(usual, opening.secondsLeft))
        if deadline > known.deadline + 1:  # extended, and its event did not come
            return _Known(deadline, opening.secondsLeft)
        return known

    def _count(self, status: Status) -> None:
        if self._counts and status.uptime <= self._counts[-1][0]:  # another daemon
            self._counts.clear()
        self._counts.append((status.uptime, status.knocks))
        while len(self._counts) > 2 and status.uptime - self._counts[1][0] >= RATE_SECONDS:
            self._counts.popleft()


def _key(opening: OpeningState) -> tuple[str, str]:
    return opening.door, opening.source
