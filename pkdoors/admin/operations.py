"""
What the operator does with a running daemon: see L{pkdoors.admin._interface.AdminOperations}.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime

from pkdoors import __version__
from pkdoors.admin._interface import Json
from pkdoors.daemon.reload import Reloader
from pkdoors.doorkeeper.control import DoorControl
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.state import OpeningStatus, doorsOf, openingOf, openingsOf
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack


class Operations:
    """
    Answers in JSON.

    @param stack: the firewalls.
    @param troubles: returns what keeps the daemon from doing all that it should, a sentence each.
    """

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Doorkeeper,
        reloader: Reloader,
        publisher: EventPublisher,
        counters: Counters,
        stack: FirewallStack,
        troubles: Callable[[], list[str]] = list,
    ) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._keeper = keeper
        self._control = DoorControl(clock, keeper)
        self._reloader = reloader
        self._publisher = publisher
        self._stack = stack
        self._troubles = troubles
        self.counters = counters
        self.state = keeper.state
        self.subscribe = publisher.subscribe

    def status(self) -> Json:
        """See L{AdminOperations.status}."""
        state = self.state()
        return {
            "version": __version__.public(),
            "uptime": round(state.seconds - self._began, 3),
            "firewall": self._stack.name,
            "troubles": self._troubles(),
            "doors": doorsOf(state),
            "openings": openingsOf(state),
            "counters": self.counters.asJSON(),
        }

    def openings(self, door: str = "", source: str = "") -> Json:
        """See L{AdminOperations.openings}."""
        return {"openings": openingsOf(self._control.state(door, source), door)}

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> Json:
        """See L{AdminOperations.open}."""
        status = await self._control.open(source, door, seconds)
        now, time = self._clock.seconds(), self._publisher.wallClock()
        return {"opening": openingOf(status, now, time)}

    async def close(self, door: str = "", source: str = "") -> Json:
        """See L{AdminOperations.close}."""
        done = await self._control.close(door, source)
        asJSON = partial(openingOf, seconds=done.state.seconds, time=done.state.time)
        return {
            "closed": (asJSON(status) for status in done.closed),
            "closing": ({**asJSON(status), **self._progress(status)} for status in done.closing),
        }

    def _progress(self, status: OpeningStatus) -> dict[str, Any]:
        """Return how far the closing of an opening has come."""
        key = status.opening.key
        now = self._keeper.status(*key)
        trouble = now.trouble if now is not None else ""
        return {"trouble": trouble, "shut": self._stack.isInnermostClosed(*key)}

    async def reload(self) -> Json:
        """See L{AdminOperations.reload}."""
        done = await self._reloader.reload()
        return {"changes": done.changes, "troubles": done.troubles}
