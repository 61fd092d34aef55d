"""Puts the guard of other doors in place of the present one."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IDelayedCall

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books, findCut, findMoved
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import Scope, networkScopes
from pkdoors.firewall.netlink.flows import Flow
from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.netlink.messages import splitPortions
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables._takeover import Predecessor
from pkdoors.firewall.nftables.contents.rulewriter import needsFlows
from pkdoors.firewall.nftables.placing.currentguard import CurrentGuard
from pkdoors.firewall.nftables.placing.guardchange import GuardChange
from pkdoors.firewall.nftables.placing.healing import FEW, GuardHealer
from pkdoors.firewall.nftables.placing.placer import GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.ways.ways import WaysFinder
from pkdoors.model.doors import Door, Opening, listProtectedPorts
from pkdoors.util.lane import Lane
from pkdoors.util.turns import Beside, takeInTurns


class GuardChanger:
    """
    Changes the doors in steps. Openings that are granted meanwhile are put in place between two
    steps if both guards can have them; others wait for the end.

    @param lane: does the steps beside the reactor.
    @param lookAtWays: called when the ways past the guard may have changed, too.
    @param open: opens a door at once.
    """

    def __init__(
        self,
        reactor: Any,
        lane: Lane,
        current: CurrentGuard,
        placer: GuardPlacer,
        healer: GuardHealer,
        sessions: SessionKeeper,
        beside: Beside,
        lookAtWays: Callable[[], None],
        open: Callable[[Opening], None],
    ) -> None:
        self._reactor = reactor
        self._lane = lane
        self._current = current
        self._placer = placer
        self._healer = healer
        self._sessions = sessions
        self._beside = beside
        self._lookAtWays = lookAtWays
        self._openNow = open
        self._table: GuardTable
        self._ways: WaysFinder
        self._changing: GuardChange | None = None
        self._late: list[tuple[Opening, Deferred[None]]] = []  # openings that wait for its end
        self._clearing: IDelayedCall | None = None
        self._cleared: GuardChange

    def start(self, table: GuardTable, ways: WaysFinder) -> None:
        """Begin to work with a table."""
        self._table = table
        self._ways = ways

    @property
    def isChanging(self) -> bool:
        """Whether a change takes its turns."""
        return self._changing is not None

    def open(self, opening: Opening) -> Deferred[None]:
        """Open a door, now or at the end of the change."""
        if self._changing is None or self._changing.compares(opening):
            if self._current.compares(opening):
                return execute(self._openNow, opening)
            return self._lane.run(partial(self._openNow, opening))
        opened: Deferred[None] = Deferred()
        self._late.append((opening, opened))
        return opened

    def formsOf(self, opening: Opening) -> list[Opening]:
        """Return an opening, also as a change of the guard may have put it into the kernel."""
        if self._changing is not None:
            return self._changing.formsOf(opening)
        there = self._placer.openings.get(opening)
        return [opening] if there is None or there.door is opening.door else [opening, there]

    async def change(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> None:
        """
        Put the guard of other doors in place. Until all is done, openings are granted on the terms
        of the earlier doors.
        """
        await self._lane.run(self._putFirst)
        guard = await self._design(doors, openings)
        protected = listProtectedPorts(doors)
        spared: set[Flow] | None = None  # otherwise there is nobody to spare
        # Compare with what is in the kernel: it may have refused the doors of the last call.
        before = Predecessor(protected=self._current.protected)
        if protected != self._current.protected:
            spared = await self._sessions.findSpared(guard, before)
        now = self._reactor.seconds()
        change = await self._lane.runHere(partial(self._placer.begin, guard, now))
        self._changing = change
        try:
            if not await self._changeSoftly(change, openings, before, spared):
                await self._changeAtOnce(change, openings, spared)
        except BaseException:
            self._placer.forget()  # it is unknown how far that came
            self._endChange(
                change, FirewallError("the guard is put back first: pkdoors tries again")
            )
            raise
        self._current.onPlaced(guard, protected)
        self._endChange(change, None)
        self._lookAtWays()

    def _putFirst(self) -> None:
        """Put the present guard in place if it is gone, as without it everybody gets in."""
        if not self._table.isThere():
            self._current.put([])

    async def _design(self, doors: tuple[Door, ...], openings: Iterable[Opening]) -> Guard:
        """Return the guard of other doors, as the host is now."""
        self._current.count()  # before the new counters begin at 0
        present, capturing = self._current.guard, self._current.capturing
        capture, direct = present.capture, present.direct
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
            self._current.guard,
            doors=doors,
            capture=capture,
            direct=direct,
            networks=frozenset(networks),
        )
        guard = self._current.withLayout(guard)
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
            await self._lane.take(change.prepare(openings))
            if spared:
                await self._spare(spared)
            if isMoving:
                await self._moveFlows(change)
            await self._lane.take(table.replaceRules(change.before, guard))
            if spared is not None:  # a connection may have begun since the last look
                await self._spare(await self._sessions.findSpared(guard, before) - spared)
            if isMoving:
                await self._moveFlows(change, isLast=True)
            await self._lane.take(change.tidy())
            await self._healer.completeSessions()
            fingerprint = await self._beside(table.readFingerprintBeside)
            await self._lane.takeHere(change.settle())
        except GuardGone:  # somebody has flushed nftables meanwhile
            self._placer.forget()
            return False
        if self._placer.placed is not change.before or not self._placer.isInPlace:
            return False  # somebody has changed it meanwhile
        self._current.guard = guard
        self._placer.finishChange(guard, fingerprint, self._reactor.seconds())
        self._sessions.noteReplaced()
        self._clearing = self._reactor.callLater(0, self._clearSoon)
        self._cleared = change
        return True

    async def _spare(self, flows: Collection[Flow]) -> None:
        await self._lane.take(self._table.spareFlows(self._sessions.addSpared(flows)))

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
        await self._lane.take(self._table.addFlows(doors, moved, TABLE))
        if isLast:
            await self._lane.take(self._table.removeFlows(cut, TABLE))

    async def _changeAtOnce(
        self, change: GuardChange, openings: Iterable[Opening], spared: set[Flow] | None
    ) -> None:
        """Put a guard in place, whatever there is now."""
        self._placer.forget()
        self._current.guard = change.guard
        if spared:
            self._sessions.addSpared(spared)
        await self._healer.restoreWhole(openings)
        await self._healer.completeSessions()
        await self._lane.takeHere(change.settle())

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
                self._lane.do(partial(self.open, fitting)).chainDeferred(opened)
            else:
                opened.callback(None)  # it ends at once, with its door

    def _clearSoon(self) -> None:
        Deferred.fromCoroutine(self.clear())

    async def clear(self) -> None:
        """Remove what no opening needs any more since the last change."""
        call, self._clearing = self._clearing, None
        if call is None:
            return
        if call.active():
            call.cancel()
        try:
            await self._lane.run(self._cleared.clear)
        except FirewallError:
            self._placer.forget()
