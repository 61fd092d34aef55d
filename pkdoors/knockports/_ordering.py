"""Puts knocks that came to several ports into the order in which they came."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.knocks.knock import Knock

MAX_HELD = 8192
"""Knocks that wait for older ones to be read, at most: a flood on one port, which is a turn or two
behind, is not waited for any longer."""

MORE = 8
"""Reads of ports that had more, in one turn: a turn of the reactor costs as much as some hundred
knocks, so that under a flood those who come meanwhile would find no room. They take 2 ms."""

_STAMP = attrgetter("stamp")


class Port(Protocol):
    """
    What is read.

    @ivar last: when the kernel got what was read last, in nanoseconds since 1970.
    """

    last: int

    def doRead(self) -> None:
        """Put what has come, as much as is read in one go."""


class Reorderer:
    """
    The order is the secret, and the reactor reads port by port: where it was busy for a moment, two
    knocks may wait in two sockets, and which one is read first is chance. So what is read is sorted
    by the time at which the kernel got it, and heard one turn of the reactor later: by then all
    that came before the turn has been read, whichever port it came to.

    @param hear: gets the knocks of a turn, in order.
    @param now: the kernel's time of day, in nanoseconds.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hear: Callable[[list[Knock]], None],
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        self._hear = hear
        self._now = now
        self._lastTurn = 0
        self._held: list[Knock] = []
        self._behind: deque[Port] = deque()
        self._call: IDelayedCall | None = None

    def add(self, knocks: list[Knock]) -> None:
        """Some knocks were read."""
        self._held += knocks
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def addUnfinished(self, port: Port) -> None:
        """A port may have more, which came after its last: what is younger has to wait."""
        self._behind.append(port)

    def close(self) -> None:
        """Hear nothing more."""
        self._held.clear()
        self._behind.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _readOn(self) -> None:
        for _ in range(MORE):
            if self._behind:  # in turn: it comes last again where it still has more
                self._behind.popleft().doRead()

    def _turn(self) -> None:
        """All ports were read that had something when the last turn ended."""
        try:
            self._readOn()
        finally:  # whatever happens, what is put next has its turn
            self._call = None
        held, self._held = sorted(self._held, key=_STAMP), []
        now = self._now()
        until = (
            now
            if len(held) > MAX_HELD
            else min([self._lastTurn, *(port.last for port in self._behind)])
        )
        self._lastTurn = now
        self._behind.clear()
        # Not what is of a time to come: the clock was set back.
        first, last = (bisect_right(held, time, key=_STAMP) for time in (until, max(until, now)))
        if first < last:
            self.add(held[first:last])
        if due := held[:first] + held[last:]:
            self._hear(due)
