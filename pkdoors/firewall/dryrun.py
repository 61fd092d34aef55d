"""A firewall that only logs what it would do."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening
from pkdoors.util.durations import formatDuration


@implementer(IFirewall)
class DryRunFirewall:
    """
    Touches nothing: for trying a configuration on a host without the risk of locking oneself out.
    """

    _log = Logger()
    name = "dry-run"

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}. Nothing is needed."""

    def start(self, doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening]:
        """See L{IFirewall.start}. What was never added cannot be lost."""
        self.setDoors(doors)
        return []

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}: there is nothing to compute."""

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.setDoors}."""
        for door in doors:
            trusted = ", ".join(map(str, door.trusted))
            self._log.info(
                "dry run: would keep door {door} closed{others}",
                door=door,
                others=f", except to {trusted}" if trusted else "",
            )

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        return succeed(None)

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        self._log.info(
            "dry run: would open door {door} for {source}, {seconds}",
            door=opening.door,
            source=opening.source,
            seconds=formatDuration(opening.deadline - self._clock.seconds()),
        )
        return succeed(None)

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        self._log.info(
            "dry run: would close door {door} for {source}",
            door=opening.door,
            source=opening.source,
        )
        return succeed(None)

    def closeMany(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        for opening in openings:
            self.close(opening)
        return succeed(None)

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        return []

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}."""
        return 0

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}."""
        return 0

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return succeed(None)
