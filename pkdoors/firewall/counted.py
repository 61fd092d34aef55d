"""A firewall whose calls are counted."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.errors import DeadlinePassed
from pkdoors.events.counters import Counters
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening

T = TypeVar("T")


@implementer(IFirewall)
class CountedFirewall:
    """
    Does what another firewall does.

    @param counters: where the calls are counted.
    """

    def __init__(self, firewall: IFirewall, counters: Counters) -> None:
        self._firewall = firewall
        self._counters = counters
        self.name = firewall.name

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        self._firewall.prepare(doors)

    def start(self, doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening] | None:
        """See L{IFirewall.start}."""
        return self._firewall.start(doors, onLost)

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}."""
        self._firewall.setDoors(doors)

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        return self._counted("restore", self._firewall.restore(openings))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return self._counted("open", self._firewall.open(opening))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return self._counted("close", self._firewall.close(opening))

    def dropped(self) -> int:
        """See L{IFirewall.dropped}."""
        return self._firewall.dropped()

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._firewall.stop()

    def _counted(self, call: str, result: Deferred[T]) -> Deferred[T]:
        def count(how: str) -> None:
            self._counters.firewall[(self.name, call, how)] += 1

        def failed(why: Failure) -> Failure:
            if not why.check(CancelledError, DeadlinePassed):  # it was not even asked
                count("failed")
            return why

        def succeeded(value: T) -> T:
            count("ok")
            return value

        return result.addCallbacks(succeeded, failed)
