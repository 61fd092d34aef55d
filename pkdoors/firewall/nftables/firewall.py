"""
The kernel's own firewall: it keeps the doors closed, and ends the openings.

If both the kernel and nft can do that, this process owns the table: then nobody else's flush
touches it. Otherwise the daemon watches the table and heals it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, execute
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.firststart import describeSpared
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingkeys import splitOpenings
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.nftables._liveflows import LiveFlows, readUptime
from pkdoors.firewall.nftables._monitor import NftablesMonitor
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables._takeover import graceFor, warnAbout
from pkdoors.firewall.nftables._wayskeeper import WaysKeeper
from pkdoors.firewall.nftables.capturing import Capturing
from pkdoors.firewall.nftables.placing.changing import GuardChanger
from pkdoors.firewall.nftables.placing.checking import MARGIN, GuardChecker
from pkdoors.firewall.nftables.placing.currentguard import CurrentGuard
from pkdoors.firewall.nftables.placing.healing import GuardHealer
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.placing.placer import GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable, openTable
from pkdoors.firewall.ways.ways import WaysFinder
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.util.lane import Lane
from pkdoors.util.turns import Beside, atOnce

SETTLED = 300.0
"""Seconds from the boot until there may be flows that began before the guard. Earlier there are
none worth sparing, and sparing them would keep a port open for a while after each boot."""


@implementer(IFirewall)
class NftablesFirewall:
    """
    @param reactor: gives the time, and reads others' changes.
    @param look: finds the connections that exist.
    @param readUptime: returns the seconds since the boot.
    @param capturing: how knocks get into the kernel's packet log; L{None} if sockets hear them.
    @param beside: does what takes long beside the reactor.
    @param lane: does so with whatever changes the guard, one piece at a time.
    """

    _log = Logger()
    name = "nftables"

    def __init__(
        self,
        reactor: Any,
        makeTable: Callable[[Callable[[], float]], GuardTable] = openTable,
        makeMonitor: Callable[..., NftablesMonitor] = NftablesMonitor,
        look: Callable[[], LiveFlows] = LiveFlows,
        readUptime: Callable[[], float] = readUptime,
        capturing: Capturing | None = None,
        beside: Beside = atOnce,
        lane: Lane | None = None,
    ) -> None:
        self._reactor = reactor
        self._lane = lane = lane or Lane(reactor)
        self._makeTable = makeTable
        self._makeMonitor = makeMonitor
        self._readUptime = readUptime
        self._capturing = capturing
        self._table: GuardTable
        self._monitor: NftablesMonitor
        self._doors: tuple[Door, ...] = ()  # that the guard gets next
        self._refused: tuple[Door, ...] | None = None  # a reload with these has failed
        self._restoring = DeferredLock()
        lookAtWays = self._lookAtWays
        openings = self._openings = OpeningPlacer()
        self._sessions = SessionKeeper(
            reactor,
            look,
            lambda: self._current.guard.doors,
            lambda: openings.openings,
            beside,
            lane.afterwards,
        )
        placer = self._placer = GuardPlacer(self._sessions, openings)
        current = self._current = CurrentGuard(placer, capturing)
        self._healer = healer = GuardHealer(
            lane, current, placer, openings, self._sessions, beside, lookAtWays
        )
        self._changer = GuardChanger(
            reactor,
            lane,
            current,
            placer,
            healer,
            self._sessions,
            beside,
            lookAtWays,
            self._openNow,
        )
        self._ways = WaysKeeper(
            *(reactor, lane, current, placer),
            lambda: self._changer.isChanging,
            lambda cause: self._onLost(cause),
        )
        self._checker = GuardChecker(reactor, placer, healer, lookAtWays, self._onChanged)

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}. The kernel checks the guard, but does not put it in place."""
        capture = None if self._capturing is None else self._capturing.probe()
        table = self._makeTable(self._reactor.seconds)
        try:
            table.judge(Guard(doors, capture=capture))
        finally:
            table.close()

    def start(self, doors: tuple[Door, ...], onLost: Callable[[str], None]) -> list[Opening]:
        """See L{IFirewall.start}."""
        self._table = table = self._makeTable(self._reactor.seconds)
        for each in (self._sessions, self._openings, self._placer, self._current, self._healer):
            each.start(table)
        self._onLost = onLost
        # The monitor must exist before anything is read: then no later change is missed.
        self._monitor = self._makeMonitor(
            TABLE, table.port, self._onNotified, self._onOverflow, self._ways.look
        )
        self._ways.finder = WaysFinder(table.readForwards, self._monitor.attend)
        self._changer.start(table, self._ways.finder)
        # The group is bound before the rules name it: another program may have it.
        capture = None if self._capturing is None else self._capturing.begin()
        self._doors = doors
        self._current.guard = self._ways.addTo(Guard(doors, capture=capture))
        isSettled = self._readUptime() >= SETTLED
        predecessor = table.readPredecessor(doors, isSettled)
        warnAbout(predecessor, listProtectedPorts(doors))
        live, spared = self._sessions.spare(self._current.guard, predecessor)
        for line in () if predecessor.isThere else describeSpared(spared):
            self._log.info("{line}", line=line)
        if isSettled and not predecessor.isThere and live.untracked:
            versions = tuple(live.untracked)
            self._current.guard = replace(
                self._current.guard, grace=graceFor(doors), graceVersions=versions
            )
        self._current.put(predecessor.openings)
        # A port has its grace only once: no later flush opens it again.
        self._current.guard = replace(self._current.guard, grace={}, graceVersions=())
        self._ways.reportFirst()
        self._monitor.start(self._reactor)
        return predecessor.openings

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}: the layout of a guard with a thousand doors takes 0.1 s."""
        self._current.foresee(doors)

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.setDoors}."""
        self._doors = doors
        if doors is self._refused:  # another try
            self._refused = None

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """
        See L{IFirewall.restore}. Clients that are connected to a port that becomes protected are
        spared.
        """
        # A reload may come while the healing is at work, and the other way round.
        return self._restoring.run(self._restore, self._doors, openings)

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return self._lane.do(partial(self._changer.open, opening))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return self._lane.do(partial(execute, self._closeNow, opening))

    def closeMany(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        return Deferred.fromCoroutine(self._closeMany(openings))

    async def _closeMany(self, openings: Iterable[Opening]) -> None:
        rest, isOver = splitOpenings(openings), False

        def prepare() -> Callable[[], None]:
            nonlocal isOver
            some = next(rest, None)
            isOver = some is None
            return self._prepareClosing(some or [])

        while not isOver:
            await self._lane.runPrepared(prepare)
        self._sessions.noteSoon()

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        # While the lane works, the elements of an opening may be away for a moment, but a mark of
        # use is certain.
        soon = inf if self._lane.isBusy else self._reactor.seconds() + MARGIN
        try:
            found = self._table.findUsed(openings)
        except FirewallError:  # it is asked again
            return []
        return [(opening, isUsed) for opening, isUsed in found if isUsed or opening.deadline > soon]

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}."""
        self._count()
        return self._current.counts.dropped

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}."""
        self._count()
        return self._current.counts.junk

    def _count(self) -> None:
        if not self._lane.isBusy:  # it counts before it makes new counters
            self._current.count()

    def stop(self) -> Deferred[None]:
        """
        See L{IFirewall.stop}. The guard stays, and the kernel ends the openings. What has begun is
        completed before.
        """
        return self._restoring.run(self._letGo)

    async def _letGo(self) -> None:
        await self._changer.clear()
        await self._lane.runHere(self._release)
        self._lane.stop()

    def _release(self) -> None:
        self._monitor.stop(self._reactor)
        self._ways.stop()
        self._sessions.stop()
        self._table.close()
        self._log.info("the guard stays in the kernel; `pkdoors release` removes it")

    async def _restore(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        await self._changer.clear()
        if doors is self._refused:  # a healing that has waited for a reload that failed
            doors = self._doors
        before = self._current.guard.doors
        if doors == before:
            await self._healer.heal(openings)
            return
        try:
            await self._changer.change(doors, openings)
        except BaseException:
            # Whoever waits for this begins before the caller hears of it.
            self._refused = doors
            if self._doors is doors:
                self._doors = before
            raise

    def _lookAtWays(self) -> None:
        self._ways.look()

    def _openNow(self, opening: Opening) -> None:
        if opening.deadline <= self._reactor.seconds():  # it has waited for too long
            raise DeadlinePassed("its deadline passed before nftables could open it")
        self._current.addScope(opening)
        openings = self._placer.openings
        if not openings.hasSource(opening.source):
            self._table.addFirst(opening)
        else:
            self._table.add(opening, not openings.has(opening), openings.others(opening))
        self._placer.note(opening)

    def _closeNow(self, opening: Opening) -> None:
        self._prepareClosing([opening])()
        self._sessions.noteSoon()

    def _prepareClosing(self, openings: Sequence[Opening]) -> Callable[[], None]:
        """Forget openings. Return the work that removes them from the kernel."""
        table = self._placer.openings
        forms = [form for opening in openings for form in self._changer.formsOf(opening)]
        for opening in openings:
            table.remove(opening)
        others = [other for opening in openings for other in table.others(opening)]
        sets = None if self._changer.isChanging else self._placer.sets
        return lambda: self._table.remove(forms, others, sets)

    def _onNotified(self, process: str) -> None:
        self._lane.do(partial(execute, self._onChanged, process))

    def _onOverflow(self) -> None:
        self._lane.do(partial(execute, self._checker.onOverflow))

    def _onChanged(self, process: str) -> None:
        self._current.isDoubtful = True
        self._placer.forget()
        self._onLost(f"{process} changed the guard")
