"""Puts the guard back that somebody else has changed or removed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from errno import ENOENT
from functools import partial
from itertools import islice

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.netlink.kernel import GuardGone, errorFor
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables.placing.currentguard import CurrentGuard
from pkdoors.firewall.nftables.placing.mending import Mender
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.placing.placer import TRIES, GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Opening
from pkdoors.util.lane import Lane
from pkdoors.util.turns import Beside

FEW = 200
"""Openings that are put in place in one turn of the reactor; more of them take several."""


class GuardHealer:
    """
    With few openings, it puts the guard in place at once; with very many, in steps.

    @param lane: does the steps beside the reactor.
    @param lookAtWays: called when the ways past the guard may have changed, too.
    """

    def __init__(
        self,
        lane: Lane,
        current: CurrentGuard,
        placer: GuardPlacer,
        openings: OpeningPlacer,
        sessions: SessionKeeper,
        beside: Beside,
        lookAtWays: Callable[[], None],
    ) -> None:
        self._lane = lane
        self._current = current
        self._placer = placer
        self._openings = openings
        self._sessions = sessions
        self._lookAtWays = lookAtWays
        self._mender = Mender(lane, openings, sessions, beside)
        self._table: GuardTable

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table
        self._mender.start(table)

    async def isIntact(self, soon: float) -> bool:
        """See L{Mender.isIntact}."""
        return await self._mender.isIntact(self._current.guard, soon)

    async def heal(self, openings: Iterable[Opening]) -> None:
        """Make the kernel have the present guard, with these openings."""
        if not await self._lane.run(self._table.isThere):
            await self.restoreLost(openings)
        elif await self._lane.run(partial(self._putIfFew, openings)):
            self._lookAtWays()  # see L{restoreLost}
        elif await self._putRight() and self._placer.isCloseTo(self._current.guard):
            await self._restoreSoftly(openings)
        else:
            await self.restoreWhole(openings)
        await self.completeSessions()

    def _putIfFew(self, openings: Iterable[Opening]) -> bool:
        """Put the guard in place, with these openings, if they are few. Return whether they are."""
        first = [*islice(openings, FEW + 1)]
        if len(first) <= FEW:
            self._putCertain(first)
        return len(first) <= FEW

    def _putCertain(self, openings: Iterable[Opening]) -> None:
        """Put the guard in place with the openings that can be put there again."""
        self._current.put([opening for opening in openings if self._current.isCertain(opening)])

    async def _putRight(self) -> bool:
        """
        Put right what somebody else has changed in the guard that is in place, with very many
        openings. Rules and ports come first.

        @return: whether that was possible.
        """
        for _ in range(TRIES):
            if self._placer.placed is not None:
                return True
            isDoubtful = False
            try:
                guard, isDoubtful = await self._lane.run(self._putRulesRight)
                if guard is None:
                    return False
                await self._mender.mend(guard, isDoubtful)
                self._sessions.noteReplaced()
            except FirewallError as error:
                self._current.isDoubtful |= isDoubtful
                self._placer.forget()
                if not isinstance(error, GuardGone):
                    raise
                return False
        return False

    def _putRulesRight(self) -> tuple[Guard | None, bool]:
        """
        Put rules and ports right.

        @return: see L{GuardPlacer.putRight}; and whether openings for one connection may have been
            used. From now on others may change them again.
        """
        self._current.refreshCapture()
        guard = self._placer.putRight(self._current.guard)
        if guard is None:
            return None, False
        isDoubtful, self._current.isDoubtful = self._current.isDoubtful, False
        return guard, isDoubtful

    async def _restoreSoftly(self, openings: Iterable[Opening]) -> None:
        """Put the present guard in place of a similar one, with very many openings."""
        guard = await self._lane.run(self._refresh)
        try:
            await self._lane.take(self._openings.prepare(guard, openings))
            if self._placer.placed is None and not await self._putRight():
                raise errorFor(ENOENT)
            guard = await self._lane.run(partial(self._finish, guard))
        except GuardGone:  # somebody has flushed nftables meanwhile, or changed it too much
            await self.restoreWhole(openings)
        else:
            self._current.onPlaced(guard)
        self._lookAtWays()

    def _refresh(self) -> Guard:
        """Return the present guard as the host is now, with the networks that are in place."""
        self._current.refreshCapture()
        if self._current.guard.networks != (networks := self._placer.networks()):
            self._current.guard = replace(self._current.guard, networks=networks)
        return self._current.guard

    def _finish(self, guard: Guard) -> Guard:
        """Put the guard in place for which the openings are there. Return it."""
        # A reload may have begun to change the doors; it waits for this.
        isSame = self._current.guard.doors is guard.doors
        guard = self._current.guard if isSame else replace(self._current.guard, doors=guard.doors)
        self._placer.finish(guard)
        return guard

    async def restoreLost(self, openings: Iterable[Opening]) -> None:
        """
        Put back the guard, which is not there any more. It comes first, as without it everybody
        gets in; very many openings follow, and whatever has to be looked up.
        """
        self._placer.forget()
        for triesLeft in reversed(range(TRIES)):
            isFew = await self._lane.run(partial(self._putLost, openings))
            try:
                if not isFew:
                    await self._lane.take(self._openings.fill(openings, self._current.addScope))
                await self.restoreSessions()
            except GuardGone:
                if not triesLeft:
                    raise
            else:
                break
        # Whatever removed the guard may have changed the ways past it, too. The guard itself does
        # not wait for them.
        self._lookAtWays()

    def _putLost(self, openings: Iterable[Opening]) -> bool:
        """Put the guard in place, with the openings if they are few. Return whether they are."""
        self._sessions.noteLost(self._placer.openings)
        first = [*islice(openings, FEW + 1)]
        isFew = len(first) <= FEW
        flows = self._sessions.living()
        # Sessions stall until their flows are there.
        noted = flows if sum(map(len, flows.values())) <= FEW else {}
        some = [each for each in first if isFew and self._current.isCertain(each)]
        self._current.put(some, noted)
        return isFew

    async def completeSessions(self) -> None:
        """Put back the flows that go on, if the guard was gone for a moment."""
        if self._sessions.isIncomplete:
            await self.restoreSessions()

    async def restoreSessions(self) -> None:
        """Put back the flows that go on, after the guard was gone."""
        await self._lane.take(self._addFlows())
        await self._sessions.spareLetIn(self._current.guard)
        await self._lane.take(self._addFlows())
        await self._lane.run(self._placer.complete)
        self._sessions.noteReplaced()

    def _addFlows(self) -> Iterator[None]:
        return self._table.addFlows(self._current.guard.doors, self._sessions.living(), TABLE)

    async def restoreWhole(self, openings: Iterable[Opening]) -> None:
        """Put the guard in place, whatever there is now."""
        if await self._lane.run(partial(self._putIfThere, openings)):
            self._lookAtWays()  # see L{restoreLost}
        else:
            await self.restoreLost(openings)

    def _putIfThere(self, openings: Iterable[Opening]) -> bool:
        """Put the guard in place if its table is there. Return whether it is."""
        isThere = self._table.isThere()
        if isThere:
            self._putCertain(openings)
        return isThere
