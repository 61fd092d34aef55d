"""Puts the guard back that somebody else has changed or removed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from errno import ENOENT
from itertools import islice
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.netlink.kernel import GuardGone, errorFor
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables.placing.currentguard import CurrentGuard
from pkdoors.firewall.nftables.placing.mending import Mender
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.placing.placer import TRIES, GuardPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Opening
from pkdoors.util.turns import Beside, takeInTurns

FEW = 200
"""Openings that are put in place in one turn of the reactor; more of them take several."""


class GuardHealer:
    """
    With few openings, it puts the guard in place at once; with very many, it takes turns.

    @param lookAtWays: called when the ways past the guard may have changed, too.
    """

    def __init__(
        self,
        reactor: Any,
        current: CurrentGuard,
        placer: GuardPlacer,
        openings: OpeningPlacer,
        sessions: SessionKeeper,
        beside: Beside,
        lookAtWays: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._current = current
        self._placer = placer
        self._openings = openings
        self._sessions = sessions
        self._lookAtWays = lookAtWays
        self._mender = Mender(reactor, openings, sessions, beside)
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
        first = [*islice(openings, FEW + 1)]
        if not self._table.isThere():
            await self.restoreLost(openings)
        elif len(first) <= FEW:
            self.restoreNow(first)
        elif await self._putRight() and self._placer.isCloseTo(self._current.guard):
            await self._restoreSoftly(openings)
        else:
            await self.restoreWhole(openings)
        await self.completeSessions()

    async def _putRight(self) -> bool:
        """
        Put right what somebody else has changed in the guard that is in place, with very many
        openings. Rules and ports come first.

        @return: whether that was possible.
        """
        for _ in range(TRIES):
            if self._placer.placed is not None:
                return True
            self._current.refreshCapture()
            isDoubtful = self._current.isDoubtful
            self._current.isDoubtful = False  # others may change it again
            try:
                guard = self._placer.putRight(self._current.guard)
                if guard is not None:
                    await self._mender.mend(guard, isDoubtful)
                    self._sessions.noteReplaced()
            except FirewallError as error:
                self._current.isDoubtful |= isDoubtful
                self._placer.forget()
                if not isinstance(error, GuardGone):
                    raise
                return False
            self._current.isDoubtful |= isDoubtful and guard is None
            if guard is None:
                return False
        return False

    async def _restoreSoftly(self, openings: Iterable[Opening]) -> None:
        """Put the present guard in place of a similar one, with very many openings."""
        self._current.refreshCapture()
        if self._current.guard.networks != (networks := self._placer.networks()):
            self._current.guard = replace(self._current.guard, networks=networks)
        guard = self._current.guard
        try:
            await takeInTurns(self._reactor, self._openings.prepare(guard, openings))
            if self._placer.placed is None and not await self._putRight():
                raise errorFor(ENOENT)
            # A reload may have begun to change the doors; it waits for this.
            isSame = self._current.guard.doors is guard.doors
            guard = (
                self._current.guard if isSame else replace(self._current.guard, doors=guard.doors)
            )
            self._placer.finish(guard)
        except GuardGone:  # somebody has flushed nftables meanwhile, or changed it too much
            await self.restoreWhole(openings)
        else:
            self._current.onPlaced(guard)
        self._lookAtWays()

    async def restoreLost(self, openings: Iterable[Opening]) -> None:
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
            some = [each for each in first if isFew and self._current.isCertain(each)]
            self._current.put(some, noted, isComplete=isFew)
            try:
                if not isFew:
                    await takeInTurns(
                        self._reactor, self._openings.fill(openings, self._current.addScope)
                    )
                    self._placer.complete()
                await self.restoreSessions()
            except GuardGone:
                if not triesLeft:
                    raise
            else:
                break
        # Whatever removed the guard may have changed the ways past it, too. The guard itself does
        # not wait for them.
        self._lookAtWays()

    async def completeSessions(self) -> None:
        """Put back the flows that go on, if the guard was gone for a moment."""
        if self._sessions.isIncomplete:
            await self.restoreSessions()

    async def restoreSessions(self) -> None:
        """Put back the flows that go on, after the guard was gone."""
        await takeInTurns(self._reactor, self._addFlows())
        await self._sessions.spareLetIn(self._current.guard)
        await takeInTurns(self._reactor, self._addFlows())
        self._sessions.noteReplaced()

    def _addFlows(self) -> Iterator[None]:
        return self._table.addFlows(self._current.guard.doors, self._sessions.living(), TABLE)

    async def restoreWhole(self, openings: Iterable[Opening]) -> None:
        """Put the guard in place, whatever there is now."""
        if self._table.isThere():
            self.restoreNow([*openings])
        else:
            await self.restoreLost(openings)

    def restoreNow(self, openings: list[Opening]) -> None:
        """Put the guard in place at once, with the openings that can be put there again."""
        self._current.put([opening for opening in openings if self._current.isCertain(opening)])
        self._lookAtWays()  # see L{restoreLost}
