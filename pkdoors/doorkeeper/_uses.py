"""Notices when openings for one connection are used: the kernel does not report that by itself."""

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors.doorkeeper._life import OpeningLife
from pkdoors.doorkeeper._lives import Lives
from pkdoors.firewall.stack import FirewallStack

PACE = 1.0
"""Seconds between two looks, only while there are such openings. The kernel itself keeps all others
out at once, so this is for the log and the outer firewalls."""

LOST = "because somebody changed the guard, and nobody knows whether it was used"


class UseWatch:
    """
    @param lives: all openings.
    """

    def __init__(self, clock: IReactorTime, stack: FirewallStack, lives: Lives) -> None:
        self._clock = clock
        self._stack = stack
        self._lives = lives
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Look from now on, as long as there are openings for one connection."""
        if self._call is None:
            self._call = self._clock.callLater(PACE, self._lookAgain)

    def startIfNeeded(self) -> None:
        """Do so only if there are such openings now."""
        if self._once():
            self.start()

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def look(self) -> None:
        """End the openings that were used, or lost, since the last look."""
        living = [life.opening for life in self._once() if life.isOpen()]
        for opening, isUsed in self._stack.findUsed(living) if living else ():
            life = self._lives[opening.key]
            if isUsed:
                life.noteUsed()
            else:
                life.end(LOST)

    def _lookAgain(self) -> None:
        self._call = None
        try:
            self.look()
        finally:
            self.startIfNeeded()

    def _once(self) -> list[OpeningLife]:
        return [life for life in self._lives if life.opening.door.once]
