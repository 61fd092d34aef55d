"""
The kernel's own firewall: it keeps the doors closed, and ends the openings.

If both the kernel and nft can do that, this process owns the table: then nobody else's flush
touches it. Otherwise the daemon watches the table and heals it.
"""

from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from errno import ENOENT
from functools import partial
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, execute
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books, findCut, findMoved
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import Scope, networkScopes, scopeOf
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.netlink.flows import Flow
from pkdoors.firewall.netlink.kernel import GuardGone, errorFor
from pkdoors.firewall.netlink.messages import splitPortions
from pkdoors.firewall.nftables._counting import KnockCounts
from pkdoors.firewall.nftables._liveflows import LiveFlows, readUptime
from pkdoors.firewall.nftables._monitor import NftablesMonitor
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables._takeover import Predecessor, graceFor, warnAbout
from pkdoors.firewall.nftables.capturing import Capturing
from pkdoors.firewall.nftables.contents.rulewriter import needsFlows
from pkdoors.firewall.nftables.placing.guardchange import GuardChange
from pkdoors.firewall.nftables.placing.mending import Mender
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.placing.placer import TRIES, GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable, openTable
from pkdoors.firewall.ways.ways import Throttle, WaysFinder
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import isNetwork
from pkdoors.util.turns import Beside, atOnce, takeInTurns

SETTLED = 300.0
"""Seconds from the boot until there may be flows that began before the guard. Earlier there are
none worth sparing, and sparing them would keep a port open for a while after each boot."""

FEW = 200
"""Openings that are put in place in one turn of the reactor; more of them take several."""

MARGIN = 1.0
"""Seconds before its deadline during which an opening may already be missing in the kernel."""


@implementer(IFirewall)
class NftablesFirewall:
    """
    @param reactor: gives the time, and reads others' changes.
    @param look: finds the connections that exist.
    @param readUptime: returns the seconds since the boot.
    @param capturing: how knocks get into the kernel's packet log; L{None} if sockets hear them.
    @param beside: does what takes long beside the reactor.
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
    ) -> None:
        self._reactor = reactor
        self._makeTable = makeTable
        self._makeMonitor = makeMonitor
        self._readUptime = readUptime
        self._capturing = capturing
        self._table: GuardTable
        self._monitor: NftablesMonitor
        self._beside = beside
        self._guard = self._foreseen = Guard(())
        self._doors: tuple[Door, ...] = ()  # that the guard gets next
        self._refused: tuple[Door, ...] | None = None  # a reload with these has failed
        self._changing: GuardChange | None = None
        self._late: list[tuple[Opening, Deferred[None]]] = []  # openings that wait for its end
        self._clearing: IDelayedCall | None = None
        self._cleared: GuardChange
        self._sessions = SessionKeeper(reactor, look, lambda: self._guard.doors, beside)
        self._openings = OpeningPlacer()
        self._placer = GuardPlacer(self._sessions, self._openings)
        self._mender = Mender(reactor, self._openings, self._sessions, beside)
        self._ways: WaysFinder
        self._throttle = Throttle(reactor, self._updateWays)
        self._isChecking = self._mustCheck = False  # the openings, after an overflow
        self._isDoubtful = False  # whether somebody has changed what was granted
        self._restoring = DeferredLock()
        self._protected: Collection[PortRange] = ()  # what the kernel keeps closed
        self._counts = KnockCounts()

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
        self._sessions.start(table)
        self._openings.start(table)
        self._placer.start(table)
        self._mender.start(table)
        self._onLost = onLost
        # The monitor must exist before anything is read: then no later change is missed.
        self._monitor = self._makeMonitor(
            TABLE, table.port, self._onChanged, self._onOverflow, self._throttle.want
        )
        self._ways = WaysFinder(table.readForwards, self._monitor.attend)
        # The group is bound before the rules name it: another program may have it.
        capture = None if self._capturing is None else self._capturing.begin()
        self._doors = doors
        self._guard = self._withWays(Guard(doors, capture=capture))
        isSettled = self._readUptime() >= SETTLED
        predecessor = table.readPredecessor(doors, isSettled)
        warnAbout(predecessor, listProtectedPorts(doors))
        live = self._sessions.spare(self._guard, predecessor)
        if isSettled and not predecessor.isThere and live.untracked:
            versions = tuple(live.untracked)
            self._guard = replace(self._guard, grace=graceFor(doors), graceVersions=versions)
        self._put(predecessor.openings)
        # A port has its grace only once: no later flush opens it again.
        self._guard = replace(self._guard, grace={}, graceVersions=())
        self._ways.report((), self._guard.direct)
        self._monitor.start(self._reactor)
        if self._ways.isFailing:
            self._throttle.want()
        return predecessor.openings

    def foresee(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.foresee}: the layout of a guard with a thousand doors takes 0.1 s."""
        guard = replace(self._guard, doors=doors)
        _ = (guard.layout, (self._placer.placed or guard).layout)
        self._foreseen = guard

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
        if self._changing is None or self._changing.compares(opening):
            return execute(self._openNow, opening)
        opened: Deferred[None] = Deferred()
        self._late.append((opening, opened))
        return opened

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return execute(self._closeNow, opening)

    def closeMany(self, openings: Sequence[Opening]) -> Deferred[None]:
        """See L{IFirewall.closeMany}."""
        return execute(self._closeManyNow, openings)

    def findUsed(self, openings: Iterable[Opening]) -> list[tuple[Opening, bool]]:
        """See L{IFirewall.findUsed}."""
        soon = self._reactor.seconds() + MARGIN
        try:
            found = self._table.findUsed(openings)
        except FirewallError:  # it is asked again
            return []
        return [(opening, isUsed) for opening, isUsed in found if isUsed or opening.deadline > soon]

    def countDropped(self) -> int:
        """See L{IFirewall.countDropped}."""
        self._count()
        return self._counts.dropped

    def countJunk(self) -> int:
        """See L{IFirewall.countJunk}."""
        self._count()
        return self._counts.junk

    def _count(self) -> None:
        if self._placer.hasStarted:
            self._counts.add(self._table.readCounts())

    def stop(self) -> Deferred[None]:
        """
        See L{IFirewall.stop}. The guard stays, and the kernel ends the openings. What has begun is
        completed before.
        """
        return self._restoring.run(self._letGo)

    def _letGo(self) -> None:
        self._clear()
        self._monitor.stop(self._reactor)
        self._throttle.stop()
        self._sessions.stop()
        self._table.close()
        self._log.info("the guard stays in the kernel; `pkdoors release` removes it")

    async def _restore(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        self._clear()
        if doors is self._refused:  # a healing that has waited for a reload that failed
            doors = self._doors
        before = self._guard.doors
        if doors == before:
            await self._heal(openings)
            return
        try:
            await self._change(doors, openings)
        except BaseException:
            # Whoever waits for this begins before the caller hears of it.
            self._refused = doors
            if self._doors is doors:
                self._doors = before
            raise

    async def _change(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        """
        Put the guard of other doors in place. Until all is done, openings are granted on the terms
        of the earlier doors.
        """
        if not self._table.isThere():
            self._put([])  # it comes first, as without it everybody gets in
        guard = await self._design(doors, openings)
        protected = listProtectedPorts(doors)
        spared: set[Flow] | None = None  # otherwise there is nobody to spare
        # Compare with what is in the kernel: it may have refused the doors of the last call.
        before = Predecessor(protected=self._protected)
        if protected != self._protected:
            spared = await self._sessions.findSpared(guard, before)
        self._changing = change = self._placer.begin(guard, self._reactor.seconds())
        try:
            if not await self._changeSoftly(change, openings, before, spared):
                await self._changeAtOnce(change, openings, spared)
        except BaseException:
            self._placer.forget()  # it is unknown how far that came
            self._endChange(
                change, FirewallError("the guard is put back first: pkdoors tries again")
            )
            raise
        self._onPlaced(guard, protected)
        self._endChange(change, None)
        self._throttle.want()

    async def _design(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> Guard:
        """Return the guard of other doors, as the host is now."""
        self._count()  # before the new counters begin at 0
        capturing, capture, direct = self._capturing, self._guard.capture, self._guard.direct
        if capturing is not None and capture is not None:
            capture = await self._beside(partial(capturing.refresh, capture))

        def look() -> Iterator[None]:
            nonlocal direct
            direct = yield from self._ways.look(listProtectedPorts(doors), direct)

        await takeInTurns(self._reactor, look())
        networks: set[Scope] = set()
        if self._placer.comparesNetworks:

            def lookForNetworks() -> Iterator[None]:
                for some in splitPortions(openings, FEW):
                    networks.update(networkScopes(some))
                    yield

            await takeInTurns(self._reactor, lookForNetworks())
        guard = replace(
            self._guard, doors=doors, capture=capture, direct=direct, networks=frozenset(networks)
        )
        for known in (self._foreseen, self._placer.placed):
            if known == guard:  # their layouts are there already
                guard = known
        placed = self._placer.placed or guard
        await self._beside(lambda: (guard.layout, placed.layout))
        return guard

    async def _changeSoftly(
        self,
        change: GuardChange,
        openings: Iterable[Opening],
        before: Predecessor,
        spared: set[Flow] | None,
    ) -> bool:
        """
        Change the guard that is in place, in turns.

        @return: whether that was possible.
        """
        table, guard = self._table, change.guard
        if not self._placer.isInPlace or guard.layout.reshapes(change.before.layout.present()):
            return False
        isMoving = needsFlows(change.before, guard)
        try:
            await takeInTurns(self._reactor, change.prepare(openings))
            if spared:
                await self._spare(spared)
            if isMoving:
                await self._moveFlows(change)
            await takeInTurns(self._reactor, table.replaceRules(change.before, guard))
            if spared is not None:  # a connection may have begun since the last look
                await self._spare(await self._sessions.findSpared(guard, before) - spared)
            if isMoving:
                await self._moveFlows(change, isLast=True)
            await takeInTurns(self._reactor, change.tidy())
            if self._sessions.isIncomplete:  # it was gone for a moment
                await self._restoreSessions()
            fingerprint = await self._beside(table.readFingerprintBeside)
            await takeInTurns(self._reactor, change.settle())
        except GuardGone:  # somebody has flushed nftables meanwhile
            self._placer.forget()
            return False
        if self._placer.placed is not change.before or not self._placer.isInPlace:
            return False  # somebody has changed it meanwhile
        self._guard = guard
        self._placer.finishChange(guard, fingerprint, self._reactor.seconds())
        self._sessions.noteReplaced()
        self._clearing = self._reactor.callLater(0, self._clear)
        self._cleared = change
        return True

    async def _spare(self, flows: Collection[Flow]) -> None:
        await takeInTurns(self._reactor, self._table.spareFlows(self._sessions.addSpared(flows)))

    async def _moveFlows(self, change: GuardChange, isLast: bool = False) -> None:
        """
        Let UDP sessions go on under the times of a new guard.

        @param isLast: whether to end the sessions that it cuts, too.
        """
        doors, every = change.guard.doors, (*change.before.doors, *change.guard.doors)

        def find() -> tuple[Books, Mapping[str, Iterable[bytes]]]:
            with self._table.beside() as reader:
                flows = reader.listFlows(every)
            return findMoved(doors, flows), findCut(doors, flows)

        moved, cut = await self._beside(find)
        await takeInTurns(self._reactor, self._table.addFlows(doors, moved, TABLE))
        if isLast:
            await takeInTurns(self._reactor, self._table.removeFlows(cut, TABLE))

    async def _changeAtOnce(
        self, change: GuardChange, openings: Iterable[Opening], spared: set[Flow] | None
    ) -> None:
        """Put a guard in place, whatever there is now."""
        self._placer.forget()
        self._guard = change.guard
        if spared:
            self._sessions.addSpared(spared)
        if self._table.isThere():
            self._restoreNow([*openings])
        else:
            await self._restoreLost(openings)
        if self._sessions.isIncomplete:  # it was gone for a moment
            await self._restoreSessions()
        await takeInTurns(self._reactor, change.settle())

    def _endChange(self, change: GuardChange, error: FirewallError | None) -> None:
        """Let openings that have waited for the end of a change go on."""
        self._changing, late, self._late = None, self._late, []
        self._placer.end()
        for opening, opened in late:
            if opened.called:  # it was cancelled
                continue
            if error is not None:
                opened.errback(error)
            elif (fitting := change.fit(opening)) is not None:
                execute(self._openNow, fitting).chainDeferred(opened)
            else:
                opened.callback(None)  # it ends at once, with its door

    def _clear(self) -> None:
        """Remove what no opening needs any more since the last change."""
        call, self._clearing = self._clearing, None
        if call is None:
            return
        if call.active():
            call.cancel()
        try:
            self._cleared.clear()
        except FirewallError:
            self._placer.forget()

    async def _heal(self, openings: Iterable[Opening]) -> None:
        first = [*islice(openings, FEW + 1)]
        if not self._table.isThere():
            await self._restoreLost(openings)
        elif len(first) <= FEW:
            self._restoreNow(first)
        elif await self._putRight() and self._placer.isCloseTo(self._guard):
            await self._restoreSoftly(openings)
        elif self._table.isThere():
            self._restoreNow([*openings])
        else:
            await self._restoreLost(openings)
        if self._sessions.isIncomplete:  # it was gone for a moment
            await self._restoreSessions()

    async def _putRight(self) -> bool:
        """
        Put right what somebody else has changed in the guard that is in place, with very many
        openings. Rules and ports come first.

        @return: whether that was possible.
        """
        for _ in range(TRIES):
            if self._placer.placed is not None:
                return True
            self._refreshCapture()
            isDoubtful, self._isDoubtful = self._isDoubtful, False  # others may change it again
            try:
                guard = self._placer.putRight(self._guard)
                if guard is not None:
                    await self._mender.mend(guard, isDoubtful)
                    self._sessions.noteReplaced()
            except FirewallError as error:
                self._isDoubtful |= isDoubtful
                self._placer.forget()
                if not isinstance(error, GuardGone):
                    raise
                return False
            self._isDoubtful |= isDoubtful and guard is None
            if guard is None:
                return False
        return False

    async def _restoreSoftly(self, openings: Iterable[Opening]) -> None:
        """Put the present guard in place of a similar one, with very many openings."""
        self._refreshCapture()
        if self._guard.networks != (networks := self._placer.networks()):
            self._guard = replace(self._guard, networks=networks)
        guard = self._guard
        try:
            await takeInTurns(self._reactor, self._openings.prepare(guard, openings))
            if self._placer.placed is None and not await self._putRight():
                raise errorFor(ENOENT)
            # A reload may have begun to change the doors; it waits for this.
            isSame = self._guard.doors is guard.doors
            guard = self._guard if isSame else replace(self._guard, doors=guard.doors)
            self._placer.finish(guard)
        except GuardGone:  # somebody has flushed nftables meanwhile, or changed it too much
            if self._table.isThere():
                self._restoreNow([*openings])
            else:
                await self._restoreLost(openings)
        else:
            self._onPlaced(guard)
        self._throttle.want()

    async def _restoreLost(self, openings: Iterable[Opening]) -> None:
        """
        Put back the guard, which is not there any more. It comes first, as without it everybody
        gets in; very many openings follow, and whatever has to be looked up.
        """
        self._placer.forget()
        for triesLeft in reversed(range(TRIES)):
            self._sessions.noteLost(self._placer.openings)
            first = [*islice(openings, FEW + 1)]
            isFew = len(first) <= FEW
            flows = self._sessions.living()
            # Sessions stall until their flows are there.
            noted = flows if sum(map(len, flows.values())) <= FEW else {}
            some = [each for each in first if isFew and self._isCertain(each)]
            self._put(some, noted, isComplete=isFew)
            try:
                if not isFew:
                    await takeInTurns(self._reactor, self._openings.fill(openings, self._addScope))
                    self._placer.complete()
                await self._restoreSessions()
            except GuardGone:
                if not triesLeft:
                    raise
            else:
                break
        # Whatever removed the guard may have changed the ways past it, too. The guard itself does
        # not wait for them.
        self._throttle.want()

    async def _restoreSessions(self) -> None:
        """Put back the flows that go on, after the guard was gone."""
        await takeInTurns(self._reactor, self._addFlows())
        await self._sessions.spareLetIn(self._guard)
        await takeInTurns(self._reactor, self._addFlows())
        self._sessions.noteReplaced()

    def _addFlows(self) -> Iterator[None]:
        return self._table.addFlows(self._guard.doors, self._sessions.living(), TABLE)

    def _restoreNow(self, openings: list[Opening]) -> None:
        self._put([opening for opening in openings if self._isCertain(opening)])
        self._throttle.want()  # see L{_restoreLost}

    def _isCertain(self, opening: Opening) -> bool:
        """
        Return whether an opening can be put in place again. One for one connection can not be if
        somebody else has changed the guard, because it may have been used; nor if it has not been
        there yet, because putting it there grants it.
        """
        return not opening.door.once or (
            self._placer.openings.has(opening) and not self._isDoubtful
        )

    def _put(
        self, openings: list[Opening], flows: Books | None = None, isComplete: bool = True
    ) -> None:
        """Put the guard in place, see L{GuardPlacer.put}."""
        self._refreshCapture()
        # Only here do sets that no opening needs any more go: until then they cost little.
        self._guard = replace(self._guard, networks=networkScopes(openings))
        for known in (self._foreseen, self._placer.placed):
            if known == self._guard:  # their layouts are there already
                self._guard = known
        self._placer.put(self._guard, openings, flows, isComplete)
        self._onPlaced(self._guard)

    def _refreshCapture(self) -> None:
        self._count()  # before the new counters begin at 0
        if self._capturing is not None and self._guard.capture is not None:
            capture = self._capturing.refresh(self._guard.capture)
            self._guard = replace(self._guard, capture=capture)

    def _onPlaced(self, guard: Guard, protected: Collection[PortRange] | None = None) -> None:
        self._protected = listProtectedPorts(guard.doors) if protected is None else protected
        self._isDoubtful = False

    def _withWays(self, guard: Guard) -> Guard:
        """Return a guard with the ways that lead past its ports now, as far as they can be read."""
        direct = self._ways.find(listProtectedPorts(guard.doors), before=guard.direct)
        return replace(guard, direct=direct)

    def _updateWays(self) -> Generator[None, None, bool]:
        """
        Guard the ways that lead past the protected ports now.

        @return: whether that failed.
        """
        before = self._guard
        direct = yield from self._ways.look(listProtectedPorts(before.doors), before.direct)
        if self._changing is not None or before.doors is not self._guard.doors:
            return True  # a reload has changed the doors meanwhile
        if direct != self._guard.direct:
            self._guard = guard = replace(self._guard, direct=direct)
            try:
                self._placer.writeWays(before, guard)
            except GuardGone:
                pass  # the healing puts it back with these ways
            except FirewallError as error:
                self._onLost(f"the ways to containers cannot be guarded ({error})")
            else:
                self._ways.report(before.direct, direct)
        return self._ways.isFailing

    def _openNow(self, opening: Opening) -> None:
        self._addScope(opening)
        openings = self._placer.openings
        if not openings.hasSource(opening.source):
            self._table.addFirst(opening)
        else:
            self._table.add(opening, not openings.has(opening), openings.others(opening))
        self._placer.note(opening)

    def _addScope(self, opening: Opening) -> None:
        """Have the kernel compare as many bits of addresses as an opening needs."""
        if not isNetwork(opening.source):  # addresses are always compared
            return
        needed = scopeOf(opening.source)
        if not self._guard.compares(needed):
            self._guard = self._placer.addScope(self._guard, needed)

    def _closeNow(self, opening: Opening) -> None:
        self._closeManyNow([opening])

    def _closeManyNow(self, openings: Sequence[Opening]) -> None:
        table, change = self._placer.openings, self._changing
        forms = [form for opening in openings for form in self._formsOf(opening)]
        for opening in openings:
            table.remove(opening)
        others = [other for opening in openings for other in table.others(opening)]
        sets = self._placer.sets if change is None else None
        self._table.remove(forms, others, sets)
        self._sessions.noteSoon()

    def _formsOf(self, opening: Opening) -> list[Opening]:
        """Return an opening, also as a change of the guard may have put it into the kernel."""
        if self._changing is not None:
            return self._changing.formsOf(opening)
        there = self._placer.openings.get(opening)
        return [opening] if there is None or there.door is opening.door else [opening, there]

    def _onChanged(self, process: str) -> None:
        self._isDoubtful = True
        self._placer.forget()
        self._onLost(f"{process} changed the guard")

    def _onOverflow(self) -> None:
        """Check whether the guard is still ours, after more changes than the socket could hold."""
        self._throttle.want()
        if not self._placer.hasSameRules(self._reactor.seconds()):
            self._onChanged("somebody")
        elif self._isChecking:
            self._mustCheck = True
        else:
            Deferred.fromCoroutine(self._check())

    async def _check(self) -> None:
        """Check the openings."""
        self._isChecking, self._mustCheck = True, False
        try:
            isIntact = await self._mender.isIntact(self._guard, self._reactor.seconds() + MARGIN)
        except FirewallError:
            isIntact = False
        self._isChecking = False
        if not isIntact:
            self._onChanged("somebody")
        elif self._mustCheck:
            self._onOverflow()
