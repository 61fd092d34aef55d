"""Warns if a door opens for the router of this host, because then it may be open for everybody."""

from collections.abc import Callable, Collection
from math import inf

from twisted.logger import Logger

from pkdoors.events.event import OPENED, Event
from pkdoors.host.gateways import findGateways

AGAIN = 24 * 3600.0
"""Seconds after which it warns of the same router again."""
LOOK = 60.0
"""Seconds between two looks for the routers."""


class GatewayAlarm:
    """
    Hears of openings. A router that hides who connects (masquerading, source NAT) makes each client
    look like itself, so one knock opens for all of them.

    @param findGateways: returns the addresses of this host's routers.
    """

    _log = Logger()

    def __init__(self, findGateways: Callable[[], Collection[str]] = findGateways) -> None:
        self._findGateways = findGateways
        self._gateways: Collection[str] = ()
        self._looked = -inf
        self._warned: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        """Hear an event."""
        if event.kind != OPENED:
            return
        if abs(event.time - self._looked) >= LOOK:  # somebody may set the clock
            self._gateways, self._looked = self._findGateways(), event.time
        if event.source not in self._gateways:
            return
        if abs(event.time - self._warned.get(event.source, -inf)) < AGAIN:
            return
        self._warned[event.source] = event.time
        self._log.warn(
            "{source}, for which door {door} opened, is this host's own router: if it hides who "
            "connects (masquerading of forwarded ports), the door is open for everybody behind "
            "it, so switch that off in the router",
            source=event.source,
            door=event.door.name if event.door else "",
        )
