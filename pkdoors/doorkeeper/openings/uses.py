"""Notices when openings for one connection are used: the kernel does not report that by itself."""

from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.lives import Lives
from pkdoors.firewall.stack import FirewallStack
from pkdoors.util.turns import Turns

PACE = 1.0
"""Seconds between two looks, only while there are such openings. The kernel itself keeps all others
out at once, so this is for the log and the outer firewalls."""
SHARE = 9.0
"""After a look, the daemon pauses for at least this many times the time that it took."""
PORTION = 20
"""Openings that the kernel is asked for in one turn: a millisecond."""

LOST = "because somebody changed the guard, and nobody knows whether it was used"


class UseWatch:
    """
    @param lives: all openings.
    @ivar isChanging: whether a reload may have removed openings that do not go on: they are not
        lost, and end with it.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, stack: FirewallStack, lives: Lives, turns: Turns
    ) -> None:
        self._clock = clock
        self._stack = stack
        self._lives = lives
        self._turns = turns
        self._call: IDelayedCall | None = None
        self._isLooking = self._isStopped = False
        self.isChanging = False

    def start(self) -> None:
        """Look from now on, as long as there are openings for one connection."""
        self._startIn(PACE)

    def startIfNeeded(self) -> None:
        """Do so only if there are such openings now."""
        if self._lives.once():
            self.start()

    def stop(self) -> None:
        """Look no more."""
        self._isStopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def look(self) -> None:
        """End the openings that were used, or lost, since the last look."""
        await self.lookAt(self._lives.once())

    async def lookAt(self, lives: Iterable[OpeningLife]) -> None:
        """Do so for some openings; those for any number of connections are left out."""
        once = [life for life in lives if life.opening.door.once]
        for first in range(0, len(once), PORTION):
            await self._turns.next()
            self._lookNow(once[first : first + PORTION])

    def lookAtOne(self, life: OpeningLife) -> None:
        """Do so for one opening, at once."""
        self._lookNow([life])

    def _lookNow(self, lives: Iterable[OpeningLife]) -> None:
        living = [life.opening for life in lives if self._lives.has(life) and life.isOpen()]
        for opening, isUsed in self._stack.findUsed(living) if living else ():
            life = self._lives[opening.key]
            if isUsed:
                life.noteUsed()
            elif not self.isChanging:
                life.end(LOST)

    def _startIn(self, seconds: float) -> None:
        if self._call is None and not self._isLooking and not self._isStopped:
            self._call = self._clock.callLater(seconds, self._lookAgain)

    def _lookAgain(self) -> None:
        self._call = None
        Deferred.fromCoroutine(self._lookAndPause()).addErrback(
            lambda failure: self._log.failure("looking for used openings went wrong", failure)
        )

    async def _lookAndPause(self) -> None:
        self._isLooking, began = True, self._clock.seconds()
        try:
            await self.look()
        finally:
            self._isLooking = False
            if self._lives.once():
                self._startIn(max(PACE, SHARE * (self._clock.seconds() - began)))
