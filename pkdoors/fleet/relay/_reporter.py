"""Reports to the engine that this host is up, and what is open here."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pkdoors import __version__
from pkdoors.admin.records import StatusRecord
from pkdoors.adminclient.responses import readRecord
from pkdoors.config.fleet import FleetConfig
from pkdoors.errors import AskError, EngineRefusal
from pkdoors.fleet.engine import BEGINNING, IEngine
from pkdoors.fleet.presence import MAX_OPENINGS, PresenceRecord
from pkdoors.fleet.relay._troubles import Troubles
from pkdoors.fleet.relay._writer import TAKES_AGAIN
from pkdoors.fleet.relay.daemonlink import DaemonLink
from pkdoors.fleet.streams import LASTS, Streams
from pkdoors.util.durations import MAX_DURATION
from pkdoors.util.turns import WakeableSleep

INTERVAL = 10.0
"""Seconds between two reports."""
AFTER_CHANGE = 2.0
"""Seconds from a change until the next report, in which the changes of a burst are together."""
PACE = 20_000
"""Bytes of reports a second, at most: the engine writes each to its disk, and a fleet has many
hosts. A long report makes the next one come later."""
LONGEST_PAUSE = LASTS / 2
"""Seconds by which it does so at most: the engine must not forget this host."""
UNKNOWN_LONGEST = MAX_DURATION
"""Seconds of the longest opening, until the daemon has told of its doors. A shorter time would trim
what other hosts may still need."""


class Reporter:
    """
    Writes a L{PresenceRecord} again and again.

    @param wallClock: returns the time of day.
    @ivar findPositions: returns how far the streams are read, see L{Reader.report}.
    @ivar dropped: returns how many seals were dropped.
    @ivar longest: the seconds of the longest opening of this host's doors.
    """

    def __init__(
        self,
        clock: IReactorTime,
        link: DaemonLink,
        troubles: Troubles,
        counts: Counter[str],
        wallClock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._link = link
        self._troubles = troubles
        self._counts = counts
        self._wallClock = wallClock
        self._sleep = WakeableSleep(clock)
        self._soon: IDelayedCall | None = None
        self._notBefore = 0.0  # when the next report may come
        self.findPositions: Callable[[], tuple[str, Mapping[str, str]]] = lambda: (BEGINNING, {})
        self.dropped: Callable[[], int] = int
        self.longest = UNKNOWN_LONGEST

    def hearChange(self) -> None:
        """Report soon: something was opened or closed."""
        if self._soon is None or not self._soon.active():
            pause = max(AFTER_CHANGE, self._notBefore - self._clock.seconds())
            self._soon = self._clock.callLater(pause, self._sleep.wake)

    def stop(self) -> None:
        """Report nothing more."""
        if self._soon is not None and self._soon.active():
            self._soon.cancel()

    async def run(self, fleet: FleetConfig, engine: IEngine) -> None:
        """Report until the engine is away."""
        name = Streams(fleet.name).up(fleet.host)
        while True:
            report = (await self._make(fleet)).encode()
            pause = min(len(report) / PACE, LONGEST_PAUSE)
            self._notBefore = self._clock.seconds() + pause
            try:
                await engine.put(name, report, LASTS)
            except EngineRefusal as error:
                self._troubles.begin("report", str(error))
            else:
                self._troubles.end("report", TAKES_AGAIN)
            await self._sleep.sleep(max(INTERVAL, pause))

    async def learn(self, limit: int = 1) -> StatusRecord | None:
        """
        Learn from the daemon how long its doors open at most. Return its status; L{None} if it is
        away.

        @param limit: how many openings the status lists.
        """
        try:
            status = readRecord(StatusRecord, await self._link.status(limit))
        except AskError:  # who follows the daemon's events reports it
            return None
        times = [door.maxOpenFor for door in status.doors if door.fleet]
        self.longest = max(times, default=UNKNOWN_LONGEST)
        return status

    async def _make(self, fleet: FleetConfig) -> PresenceRecord:
        doors: tuple[str, ...] = ()
        more: dict[str, Any] = {}
        if (status := await self.learn(MAX_OPENINGS)) is not None:
            shared = {door.name: door.openings for door in status.doors if door.fleet}
            doors = tuple(shared)
            openings = [opening for opening in status.openings if opening.door in shared]
            more = {"openings": openings, "total": sum(shared.values())}
        readTo, positions = self.findPositions()
        return PresenceRecord(
            time=datetime.fromtimestamp(self._wallClock(), UTC),
            version=__version__.public(),
            doors=doors,
            positions=positions,
            hosts=fleet.hosts,
            readTo=readTo,
            dropped=self.dropped(),
            counts=dict(self._counts),
            troubles=self._troubles.texts(),
            **more,
        )
