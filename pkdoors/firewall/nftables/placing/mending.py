"""Puts right, with very many openings, what somebody else has changed in the guard."""

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables.contents.inspection import Damage
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.util.lane import Lane
from pkdoors.util.turns import Beside


class Mender:
    """
    Compares the kernel with what should be there, and puts right what differs, both beside the
    reactor.
    """

    def __init__(
        self, lane: Lane, openings: OpeningPlacer, sessions: SessionKeeper, beside: Beside
    ) -> None:
        self._lane = lane
        self._openings = openings
        self._sessions = sessions
        self._beside = beside
        self._table: GuardTable

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table

    async def mend(self, guard: Guard, isDoubtful: bool) -> None:
        """
        Put openings and flows right, under a guard whose rules and ports are right.

        @param isDoubtful: whether openings for one connection may have been used.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        with self._openings.recording() as fresh:
            if isDoubtful and any(door.once for door in guard.doors):
                await self._lane.take(self._openings.dropOnce())
            damage = await self._inspect(guard, fresh)
            await self._lane.take(self._openings.repair(damage))
        await self._lane.take(self._table.addFlows(guard.doors, damage.flows, TABLE))

    async def isIntact(self, guard: Guard, soon: float) -> bool:
        """
        Return whether the openings in the kernel are those that should be there.

        @param soon: a time; openings with an earlier deadline may be missing.
        @raise FirewallError: that cannot be read.
        """
        with self._openings.recording() as fresh:
            damage = await self._inspect(guard, fresh)
        missing = (each for each in damage.openings if each.deadline > soon)
        openings = self._openings.openings
        return fresh.issuperset(damage.strange) and not any(
            openings.get(opening) is opening for opening in missing
        )

    async def _inspect(self, guard: Guard, fresh: set[tuple[str, bytes]]) -> Damage:
        openings = await self._lane.run(lambda: [*self._openings.openings])
        flows = self._sessions.living()

        def inspect() -> Damage:
            with self._table.beside() as inspector:
                return inspector.inspect(guard, openings, flows, fresh)

        return await self._beside(inspect)
