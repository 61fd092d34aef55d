"""The side of the engine: one connection after the other, and what goes over it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from random import uniform
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from pkdoors.config.fleet import FleetConfig
from pkdoors.errors import (
    EngineError,
    EngineHungUp,
    EngineNoStream,
    EngineRefusal,
    EngineTooMuch,
    PkdoorsError,
)
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.relay._backlog import MOST
from pkdoors.fleet.relay._lines import HANDED, Heard
from pkdoors.fleet.relay._reader import Reader
from pkdoors.fleet.relay._reporter import Reporter
from pkdoors.fleet.relay._troubles import Troubles
from pkdoors.fleet.relay._writer import HeardSeal, Queue, makeEventWriter, makeSealWriter
from pkdoors.fleet.relay.daemonlink import DaemonLink
from pkdoors.fleet.streams import Streams
from pkdoors.fleet.together import gather, runTogether
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import WakeableSleep

FIRST_PAUSE, LAST_PAUSE = 0.25, 5.0
"""Seconds until the engine, or the daemon, is tried again."""
SPREAD = 0.25
"""The part by which such a pause varies, so that a fleet does not come back in one moment."""
STABLE = 10.0
"""Seconds after which a connection that ends was a good one."""
MIN_KEPT = 3600.0
"""Seconds for which a log is kept at least, however short the openings of this host are."""

Connect = Callable[[FleetConfig], Awaitable[IEngine]]


class EngineSide:
    """
    Whatever fails is reported once, and tried again for ever. Nobody waits for it.

    @param read: returns the configuration. It is read again for each connection, so what was
        corrected counts at once.
    @param connect: connects to the engine.
    @param wallClock: returns the time of day.
    @ivar fleet: the configuration that was read last.
    @ivar seals: what waits for the others.
    @ivar events: what happened here.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        read: Callable[[], FleetConfig],
        connect: Connect,
        link: DaemonLink,
        troubles: Troubles,
        wallClock: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._read = read
        self._connect = connect
        self._link = link
        self._troubles = troubles
        self._wallClock = wallClock
        self.fleet: FleetConfig | None = None
        self.counts: Counter[str] = Counter()
        self._heard = Heard()
        self.seals: Queue[HeardSeal] = Queue(reactor)
        self.events: Queue[Mapping[str, Any]] = Queue(reactor)
        self.reporter = Reporter(reactor, link, troubles, self.counts, wallClock)
        self.reporter.dropped = lambda: self.seals.backlog.dropped
        self._pause = WakeableSleep(reactor)
        self._engine: IEngine | None = None
        self._reader: Reader | None = None
        self._positions: dict[str, str] = {}
        self._handedBefore = 0
        self._leftOut: dict[str, tuple[float, str]] = {}
        self._isCareful = False
        self._late: dict[str, int] = {}  # claims that got no answer, and for how long they last

    async def run(self) -> None:
        """Be connected, again and again."""
        backOff = BackOff(FIRST_PAUSE, LAST_PAUSE)
        while True:
            began = self._reactor.seconds()
            try:
                await self._serve()
            except CancelledError:
                raise
            except EngineHungUp:  # it may be there again: if it is not, the next line says why
                pass
            except (
                EngineTooMuch,
                EngineNoStream,
            ):  # the next connection finds out which stream it is
                self._isCareful = True
            except PkdoorsError as error:
                self._troubles.begin("engine", str(error))
            except Exception:  # a fault of ours must not end the fleet
                self._log.failure("a connection to the engine ended")
            if self._reactor.seconds() - began > STABLE:
                backOff.reset()
            await self._pause.sleep(backOff.next() * uniform(1 - SPREAD, 1 + SPREAD))

    async def _serve(self) -> None:
        self.fleet = fleet = self._read()
        try:
            engine = await self._connect(fleet)
        except EngineHungUp as error:
            raise EngineError(str(error)) from None
        self._reader = reader = Reader(
            self._reactor,
            fleet,
            engine,
            self._link,
            self.counts,
            self._heard,
            self._wallClock,
            lambda: self.reporter.longest,
            self._leftOut,
        )
        try:
            await self._claimLate(engine)
            await self.reporter.learn()
            await reader.begin(self._positions, self._isCareful)
            self._isCareful = False
            self._positions = reader.positions
            self.reporter.findPositions = reader.report
            self._engine = engine
            self._announce(fleet)
            await self._carry(fleet, engine, reader)
        finally:
            reader.stop()
            self._reader = self._engine = None
            await engine.close()

    def _announce(self, fleet: FleetConfig) -> None:
        self._troubles.end("engine", "the engine answers again")
        self._log.info(
            "fleet {name}: {host} follows {count} hosts, at {engine}",
            name=fleet.name,
            host=fleet.host,
            count=len(fleet.hosts),
            engine=fleet.location,
        )

    async def _carry(self, fleet: FleetConfig, engine: IEngine, reader: Reader) -> None:
        """Carry everything until the connection ends."""
        clock, troubles = self._reactor, self._troubles
        await runTogether(
            reader.run(),
            makeSealWriter(clock, fleet, engine, self.seals, troubles, self._keptSince).run(),
            makeEventWriter(clock, fleet, engine, self.events, troubles).run(),
            self.reporter.run(fleet, engine),
        )

    def _keptSince(self) -> float:
        return self._wallClock() - max(self.reporter.longest, MIN_KEPT)

    def hearDaemon(self) -> None:
        """Read again what could still count if an earlier daemon has got it, and not this one."""
        self._heard.clear()
        if self.counts[HANDED] == self._handedBefore:
            return
        self._handedBefore = self.counts[HANDED]
        self._positions = {}
        if self._reader is not None:
            self._reader.rewind()

    def hearSeal(self, heard: HeardSeal) -> bool:
        """Queue a seal for the other hosts. Return whether an older one gave way."""
        self._heard.add(heard.seal)
        return self.seals.add(heard)

    def readOrders(self) -> None:
        """Read all orders again: the daemon's operators are others now."""
        if self._reader is not None:
            self._reader.rewindOrders()
        elif self.fleet is not None:
            for host in self.fleet.hosts:
                self._positions.pop(Streams(self.fleet.name).orders(host), None)

    async def claim(self, name: str, milliseconds: int) -> bool | None:
        """Return whether this host is the first to claim a name; L{None} if nobody can tell."""
        engine = self._engine
        if engine is not None:
            try:
                return await self._claimAt(engine, name, milliseconds)
            except PkdoorsError:
                pass
        self._late[name] = milliseconds
        if len(self._late) > MOST:
            del self._late[next(iter(self._late))]
        return None

    async def _claimAt(self, engine: IEngine, name: str, milliseconds: int) -> bool:
        fleet = self.fleet
        assert fleet is not None
        return await engine.claim(Streams(fleet.name).claim(name), fleet.host, milliseconds)

    async def _claimLate(self, engine: IEngine) -> None:
        """
        Claim what nobody could tell of, whatever has become of it: a knock that somebody has
        recorded meanwhile is then worth nothing at the other hosts.
        """
        late = dict(self._late)
        try:
            await gather(self._claimAt(engine, name, late[name]) for name in late)
        except EngineRefusal:  # whoever writes seals reports it
            return
        for name in late:
            self._late.pop(name, None)

    async def connectAgain(self) -> None:
        """End the connection, and make another one at once."""
        if self._engine is not None:
            await self._engine.close()
        reactor: Any = self._reactor
        reactor.callLater(0, self._pause.wake)

    def stop(self) -> Deferred[None]:
        """End the connection."""
        self.reporter.stop()
        engine = self._engine
        return Deferred.fromCoroutine(engine.close() if engine else _nothing())


async def _nothing() -> None:
    """Do nothing."""
