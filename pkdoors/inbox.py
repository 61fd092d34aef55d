"""Puts knocks that came to several ports into the order in which they came."""

from collections.abc import Callable
from operator import itemgetter

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.knock import Knock

MAX_HELD = 8192
"""Knocks that wait for older ones to be read, at most: a flood on one port, which is a turn or two
behind, is not waited for any longer."""


class Inbox:
    """
    The order is the secret, and the reactor reads port by port: where it was busy for a moment, two
    knocks may wait in two sockets, and which one is read first is chance. So what is read in one
    turn is sorted by the time at which the kernel got it.

    @param hear: gets each knock, at the end of the turn.
    """

    def __init__(self, clock: IReactorTime, hear: Callable[[Knock], None]) -> None:
        self._clock = clock
        self._hear = hear
        self._held: list[tuple[int, Knock]] = []
        self._behind: list[int] = []
        self._call: IDelayedCall | None = None

    def put(self, stamp: int, knock: Knock) -> None:
        """
        A knock was read.

        @param stamp: when the kernel got it, in nanoseconds.
        """
        self._held.append((stamp, knock))
        if self._call is None:
            self._call = self._clock.callLater(0, self._deliver)

    def putLast(self, stamp: int) -> None:
        """A port may have more, which came after this time: what is younger has to wait."""
        self._behind.append(stamp)

    def close(self) -> None:
        """Hear nothing more."""
        self._held.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _deliver(self) -> None:
        self._call = None
        self._held.sort(key=itemgetter(0))
        held, self._held = self._held, []
        until = min(self._behind) if self._behind and len(held) <= MAX_HELD else held[-1][0]
        self._behind.clear()
        for stamp, knock in held:
            if stamp <= until:
                self._hear(knock)
            else:
                self.put(stamp, knock)
