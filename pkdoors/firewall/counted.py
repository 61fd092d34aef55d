"""Counts the calls of a firewall."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.errors import DeadlinePassed
from pkdoors.events.counters import CALLS, Counters
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening

T = TypeVar("T")


@implementer(IFirewall)
class CountedFirewall:
    """
    Does what another firewall does, and counts how the calls end.

    @param counters: the counters of the calls.
    """

    def __init__(self, firewall: IFirewall, counters: Counters) -> None:
        self._firewall = firewall
        self._counters = counters
        self.name = firewall.name
        for call in CALLS:
            for outcome in ("ok", "failed"):
                counters.firewall[(self.name, call, outcome)] += 0  # shown from now on

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        self._firewall.prepare(doors)

    def start(self, doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening] | None:
        """See L{IFirewall.start}."""
        return self._firewall.start(doors, onLost)

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}."""
        self._firewall.foresee(doors)

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.setDoors}."""
        self._firewall.setDoors(doors)

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        return self._count("restore", self._firewall.restore(openings))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return self._count("open", self._firewall.open(opening))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return self._count("close", self._firewall.close(opening))

    def closeMany(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        return self._count("close", self._firewall.closeMany(openings))

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        return self._firewall.findUsed(openings)

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}."""
        return self._firewall.countDropped()

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}."""
        return self._firewall.countJunk()

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._firewall.stop()

    def _count(self, call: str, result: Deferred[T]) -> Deferred[T]:
        """Count how a call ends, and pass its result on."""

        def count(outcome: str) -> None:
            self._counters.firewall[(self.name, call, outcome)] += 1

        def onFailure(failure: Failure) -> Failure:
            # After these, the firewall was not even asked.
            if not failure.check(CancelledError, DeadlinePassed):
                count("failed")
            return failure

        def onSuccess(value: T) -> T:
            count("ok")
            return value

        return result.addCallbacks(onSuccess, onFailure)
