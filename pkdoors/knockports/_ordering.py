"""Sorts knocks on several ports into the order in which they arrived."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.knocks.knock import Knock

MAX_HELD = 8192
"""Knocks that wait for older ones to be read, at most: if a flood on one port is read a turn or two
late, we do not wait for it any longer."""

EXTRA_READS = 8
"""Reads of ports that had more, in one turn: a turn of the reactor costs as much as several
hundred knocks, and under a flood those that arrive meanwhile would find no room. They take 2 ms."""

QUEUEING = 20_000
"""Nanoseconds from the time that the kernel writes on a datagram until the socket has it, by far:
a younger one on another processor must not overtake it."""

KnockHandler = Callable[[list[Knock]], None]
"""Handles the knocks that were heard in one turn of the reactor, the oldest first."""

_STAMP = attrgetter("stamp")


class Port(Protocol):
    """
    A port that is read.

    @ivar last: when the kernel received the datagram that was read last, in nanoseconds since 1970.
    """

    last: int

    def doRead(self) -> None:
        """Read what has come, as much as is read in one go, and add it."""


class Reorderer:
    """
    The order of knocks is the secret, and the reactor reads port by port: if it was busy for a
    moment, two knocks may wait in two sockets, and chance decides which is read first. So we sort
    what is read by the time at which the kernel received it, and handle it one turn of the reactor
    later: by then everything that came before the turn has been read, from whichever port.

    If no port has anything left, there is nothing to wait for, and each turn costs the client time.

    @param handle: gets the knocks of a turn, in order.
    @param now: the kernel's time of day, in nanoseconds.
    @param isQuiet: returns whether no port has anything to read now; a wrong C{False} costs time.
    """

    def __init__(
        self,
        clock: IReactorTime,
        handle: KnockHandler,
        now: Callable[[], int] = time.time_ns,
        isQuiet: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._handle = handle
        self._now = now
        self._isQuiet = isQuiet
        self._lastTurn = 0
        self._held: list[Knock] = []
        self._unfinished: deque[Port] = deque()
        self._call: IDelayedCall | None = None

    def add(self, knocks: list[Knock]) -> None:
        """Take knocks that were read from one port."""
        if self._call is not None:
            self._held += knocks
        elif len(knocks) == 1 and self._isFirst(knocks[0]):
            self._handle(knocks)
        else:
            self._hold(knocks)

    def _isFirst(self, knock: Knock) -> bool:
        """Return whether everything that came before a knock was read."""
        return self._now() - knock.stamp > QUEUEING and self._isQuiet()

    def _hold(self, knocks: list[Knock]) -> None:
        self._held += knocks
        self._call = self._clock.callLater(0, self._turn)

    def addUnfinished(self, port: Port) -> None:
        """Remember that a port may have more, younger than its last: what is younger must wait."""
        self._unfinished.append(port)

    def close(self) -> None:
        """Handle nothing more."""
        self._held.clear()
        self._unfinished.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _readOn(self) -> None:
        for _ in range(EXTRA_READS):
            if self._unfinished:  # in turn: a port that still has more goes to the end
                self._unfinished.popleft().doRead()

    def _turn(self) -> None:
        """Handle what is old enough: every port that had something in the last turn was read."""
        try:
            self._readOn()
        finally:  # whatever happens, the next knocks get their turn
            self._call = None
        held, self._held = sorted(self._held, key=_STAMP), []
        now = self._now()
        until = (
            now
            if len(held) > MAX_HELD
            else min([self._lastTurn, *(port.last for port in self._unfinished)])
        )
        self._lastTurn = now
        self._unfinished.clear()
        # Knocks from the future do not wait: the clock was set back.
        first, last = (bisect_right(held, time, key=_STAMP) for time in (until, max(until, now)))
        if first < last:
            self._hold(held[first:last])
        if due := held[:first] + held[last:]:
            self._handle(due)
