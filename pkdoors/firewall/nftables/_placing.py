"""Puts guards in place, and knows what is in place."""

from dataclasses import replace

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import Scope
from pkdoors.firewall.netlink.dump import Table
from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Opening

TRIES = 5
"""How often the daemon tries to put the guard in place if somebody removes it meanwhile."""


class GuardPlacer:
    """
    @ivar openings: the openings in the kernel.
    @ivar hasStarted: whether a guard has been put in place.
    """

    def __init__(self, sessions: SessionKeeper) -> None:
        self._sessions = sessions
        self._table: GuardTable
        self._placed: Guard | None = None  # unless somebody has changed it
        self._tableThere: Table | None = None
        self._fingerprint: object = None  # differs once a stranger has changed the guard
        self.openings = OpeningTable()
        self.hasStarted = False

    @property
    def placed(self) -> Guard | None:
        """The guard that is in place; L{None} if somebody else may have changed it."""
        return self._placed

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table

    def forget(self) -> None:
        """From now on it is unknown what is in place."""
        self._placed = None

    def put(self, guard: Guard, openings: list[Opening]) -> None:
        """
        Put a guard in place, with exactly these openings. If nobody else has changed what is there,
        only what differs is sent.

        @raise FirewallError: the kernel refused.
        """
        placed, self._placed = self._placed, None  # unless all of this succeeds
        if self._table.tableOf(TABLE) != self._tableThere:
            placed = None
        if placed is None or not self._change(placed, guard, openings):
            self._replace(guard, openings)
        # A port has its grace only once: no later flush opens it again.
        hasGrace = bool(guard.grace or guard.graceVersions)
        self._placed = replace(guard, grace={}, graceVersions=()) if hasGrace else guard
        self.openings = OpeningTable(openings)
        self._tableThere = self._table.tableOf(TABLE)
        self.hasStarted = True

    def _replace(self, guard: Guard, openings: list[Opening]) -> None:
        """Put a guard in place, whatever there is now."""
        for triesLeft in reversed(range(TRIES)):
            try:
                self._table.replace(guard, openings, self._sessions.living())
                break
            except GuardGone:  # somebody flushed nftables meanwhile
                if not triesLeft:
                    raise
                self._sessions.addLetIn(openings, guard.direct)
        self._sessions.noteReplaced()
        self._fingerprint = self._table.readFingerprint()

    def _change(self, placed: Guard, guard: Guard, openings: list[Opening]) -> bool:
        """
        Send only what differs from the guard that is in place.

        @return: whether that was possible.
        """
        gone, new = self.openings.compare(openings)
        wanted = OpeningTable(openings)
        isSame = placed == guard
        try:
            # A port may get another door, and lose openings before that.
            others = [other for opening in gone for other in wanted.others(opening)]
            self._table.remove(gone, others)
            if not isSame and not self._table.change(placed, guard):
                return False
            for opening in new:
                self._table.add(opening, False, wanted.others(opening))
            if not isSame:
                self._table.writeFlows(guard.doors, self._sessions.living(), TABLE)
        except GuardGone:
            return False
        if not isSame:
            self._sessions.noteReplaced()
            self._fingerprint = self._table.readFingerprint()
        return True

    def addScope(self, guard: Guard, scope: Scope) -> Guard:
        """
        Have the kernel compare so much of addresses, too. Return the guard that does.

        @raise FirewallError: the kernel refused.
        """
        wider = replace(guard, networks=guard.networks | {scope})
        self._table.addScope(wider)
        self._follow(guard, wider)
        return wider

    def writeWays(self, before: Guard, guard: Guard) -> None:
        """
        Put exactly a guard's ways past the protected ports into the kernel.

        @param before: the guard with the earlier ways.
        @raise FirewallError: the kernel refused.
        """
        try:
            self._table.writeWays(guard)
        except FirewallError:
            self.forget()
            raise
        self._follow(before, guard)

    def _follow(self, before: Guard, guard: Guard) -> None:
        self._placed = guard if self._placed == before else None
        self._fingerprint = self._table.readFingerprint()

    def isUnchanged(self, guard: Guard, soon: float) -> bool:
        """
        Return whether the guard in the kernel is still as it was put there.

        @param soon: a time; openings with an earlier deadline may be missing.
        """
        try:
            present = self._table.listOpenKeys(guard)
            isSame = self._table.readFingerprint() == self._fingerprint
        except FirewallError:
            return False
        return isSame and self.openings.keys(soon) <= present <= self.openings.keys()
