"""
The fleet's process, between the daemon and the engine. Nothing in it is trusted: the daemon judges
what it hands in, and the other hosts judge what it sends.
"""

import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from pkdoors.config.fleet import FleetConfig
from pkdoors.errors import AskError
from pkdoors.events.event import (
    CLOSED,
    EXTENDED,
    OPENED,
    ORDERED,
    SHORTENED,
    TAKEN_OVER,
    USED,
)
from pkdoors.fleet.relay._engineside import FIRST_PAUSE, LAST_PAUSE, STABLE, Connect, EngineSide
from pkdoors.fleet.relay._troubles import Troubles
from pkdoors.fleet.relay._writer import HeardSeal
from pkdoors.fleet.relay.daemonlink import DaemonLink, makeClaimLine
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import WakeableSleep

CHANGES = frozenset({OPENED, EXTENDED, TAKEN_OVER, SHORTENED, CLOSED, USED, ORDERED})
"""Events after which the other hosts should soon see what is open here, or that an order came."""

Hear = Callable[[str, dict[str, Any]], None]


class FleetService(Service):
    """
    Carries seals, orders, claims and events between one daemon and the engine.

    @param read: returns the configuration.
    @param connect: connects to the engine.
    @param link: asks the daemon.
    @param wallClock: returns the time of day.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        read: Callable[[], FleetConfig],
        connect: Connect,
        link: DaemonLink,
        wallClock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._link = link
        self._troubles = Troubles()
        self._engineSide = EngineSide(reactor, read, connect, link, self._troubles, wallClock)
        self._works: set[Deferred[None]] = set()

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._begin(self._engineSide.run())
        self._begin(self._follow("/seals", self._engineSide.hearDaemon, self._hearSeal))
        self._begin(self._follow("/events", lambda: None, self._hearEvent))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        running = Deferred.fromCoroutine(work)
        running.addErrback(lambda failure: failure.trap(CancelledError) and None)
        running.addErrback(lambda failure: self._log.failure("a part of the fleet ended", failure))
        self._works.add(running)
        running.addBoth(lambda _: self._works.discard(running))

    def stopService(self) -> Deferred[None]:
        """End."""
        super().stopService()
        for work in tuple(self._works):
            work.cancel()
        closed = self._engineSide.stop()
        closed.addCallback(lambda _: self._link.close())
        return closed

    def reload(self) -> Deferred[None]:
        """Read the configuration again, and connect again."""
        return Deferred.fromCoroutine(self._engineSide.connectAgain())

    async def _follow(self, path: str, begin: Callable[[], None], hear: Hear) -> None:
        """Follow a stream of the daemon, again and again."""
        backOff = BackOff(FIRST_PAUSE, LAST_PAUSE)
        pause = WakeableSleep(self._reactor)

        def announce() -> None:
            self._troubles.end(path, "the daemon answers again")
            begin()

        while self.running:
            began = self._reactor.seconds()
            try:
                await self._link.follow(path, announce, hear)
            except AskError as error:
                if self.running:
                    self._troubles.begin(path, str(error))
            if self._reactor.seconds() - began > STABLE:
                backOff.reset()
            await pause.sleep(backOff.next())

    def _hearSeal(self, kind: str, fields: dict[str, Any]) -> None:
        """Take a seal that this host has heard, a claim, or the wish to get all orders again."""
        try:
            if kind == "seal":
                seal = b64decode(fields["seal"], validate=True)
                heard = HeardSeal(seal, str(fields["source"]), float(fields["time"]))
                self._takeSeal(heard, bool(fields["isBound"]))
            elif kind == "claim":
                number, name = int(fields["id"]), str(fields["name"])
                self._begin(self._claim(number, name, int(fields["milliseconds"])))
            elif kind == "orders":
                self._engineSide.readOrders()
        except (KeyError, TypeError, ValueError, NotBase64):
            self._log.warn("the daemon sent {kind} in a form that is not known here", kind=kind)

    def _takeSeal(self, heard: HeardSeal, isBound: bool) -> None:
        """
        Queue a seal for the other hosts. If it is bound to no address, whoever reads the log could
        use it from an address of its own at a host that has not seen it. So it stays here unless
        the others take this host's word for the address.
        """
        fleet, side = self._engineSide.fleet, self._engineSide
        if not isBound and (fleet is None or fleet.host not in fleet.trust):
            side.counts["unbound"] += 1
            return
        if side.hearSeal(heard):
            self._troubles.begin(
                "queue", "too many seals wait for the engine: the oldest are dropped"
            )
        else:
            self._troubles.end(
                "queue", f"no more seals are dropped; {side.seals.backlog.dropped} were"
            )

    async def _claim(self, number: int, name: str, milliseconds: int) -> None:
        won = await self._engineSide.claim(name, milliseconds)
        try:
            await self._link.post([makeClaimLine(number, won)])
        except AskError:  # it has gone, and so has what it asked
            pass

    def _hearEvent(self, kind: str, fields: dict[str, Any]) -> None:
        """Take an event of this host."""
        self._engineSide.events.add(fields)
        if kind in CHANGES:
            self._engineSide.reporter.hearChange()
