"""Puts guards in place, and knows what is in place."""

from collections.abc import Collection
from dataclasses import replace

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import Scope, scopesOf, udpTimesOf
from pkdoors.firewall.guard.sets import setsFor
from pkdoors.firewall.netlink.dump import Table
from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.nftables._sessions import SessionKeeper
from pkdoors.firewall.nftables.placing.guardchange import GuardChange
from pkdoors.firewall.nftables.placing.openingplacer import OpeningPlacer
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Opening

SETTLING = 1.0
"""Seconds after a change during which nobody knows whether somebody else was faster."""
TRIES = 5
"""How often the daemon tries to put the guard in place if somebody removes it meanwhile."""


class GuardPlacer:
    """
    @param openings: those in the kernel.
    @ivar hasStarted: whether a guard has been put in place.
    """

    def __init__(self, sessions: SessionKeeper, openings: OpeningPlacer) -> None:
        self._sessions = sessions
        self._openings = openings
        self._table: GuardTable
        self._placed: Guard | None = None  # unless somebody has changed it
        self._named: tuple[Guard | None, Collection[str]] = None, ()
        self._tableThere: Table | None = None
        self._fingerprint: object = None  # differs once a stranger has changed the guard
        self._changing: GuardChange | None = None
        self._changedAt = float("-inf")
        self._last: Guard | None = None  # that was in place, whatever others have done since
        self.hasStarted = False

    @property
    def openings(self) -> OpeningTable:
        """The openings in the kernel."""
        return self._openings.openings

    @property
    def placed(self) -> Guard | None:
        """The guard that is in place; L{None} if somebody else may have changed it."""
        return self._placed

    @property
    def sets(self) -> Collection[str] | None:
        """The names of the sets in the kernel; L{None} if somebody else may have changed them."""
        placed = self._placed
        if placed is not None and placed is not self._named[0]:
            self._named = placed, {*setsFor(placed.doors, placed.networks)}
        return None if placed is None else self._named[1]

    @property
    def isInPlace(self) -> bool:
        """Whether what is in place is what was put there."""
        return self._placed is not None and self._table.tableOf(TABLE) == self._tableThere

    def begin(self, guard: Guard, now: float) -> GuardChange:
        """Begin to put another guard in place, see L{finish}."""
        before = self._placed or guard
        change = GuardChange(self._table, lambda: self.openings, before, guard, now)
        self._changing = change
        return change

    def end(self) -> None:
        """End a change: it has succeeded, or it cannot."""
        self._changing = None

    def finishChange(self, guard: Guard, fingerprint: object, now: float) -> None:
        """Note that a change has put a guard in place."""
        self._changing, self._changedAt = None, now
        self._noteGuard(guard)
        self._fingerprint = fingerprint

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table

    def forget(self) -> None:
        """From now on it is unknown what is in place."""
        self._placed = None

    def put(self, guard: Guard, openings: list[Opening], flows: Books | None = None) -> None:
        """
        Put a guard in place, with exactly these openings. If nobody else has changed what is there,
        only what differs is sent.

        If sessions are incomplete afterwards, L{complete} must be called when they are back.

        @param flows: the flows that go on, if others follow; L{None} for all.
        @raise FirewallError: the kernel refused.
        """
        self._openings.abandon()
        placed, self._placed = self._placed, None  # unless all of this succeeds
        if self._table.tableOf(TABLE) != self._tableThere:
            placed = None
        if placed is None or not self._change(placed, guard, openings):
            self._replace(guard, openings, flows)
        self._openings.openings = OpeningTable(openings)
        self._noteGuard(guard)

    def _noteGuard(self, guard: Guard) -> None:
        """Note what is in place now."""
        # A port has its grace only once: no later flush opens it again.
        hasGrace = bool(guard.grace or guard.graceVersions)
        self._placed = replace(guard, grace={}, graceVersions=()) if hasGrace else guard
        self._last = self._placed
        self._tableThere = self._table.tableOf(TABLE)
        self.hasStarted = True

    def complete(self) -> None:
        """Hear that the last openings and flows have followed."""
        self._table.markComplete()

    def _replace(self, guard: Guard, openings: list[Opening], flows: Books | None = None) -> None:
        """Put a guard in place, whatever there is now."""
        if self.hasStarted and not self._table.isThere():
            self._sessions.noteLost(self.openings)
        for triesLeft in reversed(range(TRIES)):
            try:
                known = self._sessions.living() if flows is None else flows
                # Nobody is cut off who may belong to a session that is not there yet.
                isComplete = not self._sessions.isIncomplete
                self._table.replace(guard, openings, known, isComplete)
                break
            except GuardGone:  # somebody flushed nftables meanwhile
                if not triesLeft:
                    raise
                self._sessions.noteLost(self.openings)
        if flows is None and not self._sessions.isIncomplete:
            self._sessions.noteReplaced()
        self._fingerprint = self._table.readFingerprint()

    def _change(self, placed: Guard, guard: Guard, openings: list[Opening]) -> bool:
        """
        Send only what differs from the guard that is in place.

        @return: whether that was possible.
        """
        gone, new = self.openings.compare(openings)
        wanted = OpeningTable(openings)
        try:
            # A port may get another door, and lose openings before that.
            others = [other for opening in gone for other in wanted.others(opening)]
            self._table.remove(gone, others)
            if not self._changeRules(placed, guard):
                return False
            for opening in new:
                self._table.add(opening, False, wanted.others(opening))
        except GuardGone:
            return False
        return True

    def _changeRules(self, placed: Guard, guard: Guard) -> bool:
        """Do so for all but the openings."""
        if placed == guard:
            return True
        try:
            if not self._table.change(placed, guard):
                return False
            self._table.writeFlows(guard.doors, self._sessions.living(), TABLE)
        except GuardGone:
            return False
        if not self._sessions.isIncomplete:
            self._sessions.noteReplaced()
        self._fingerprint = self._table.readFingerprint()
        return True

    def putRight(self, guard: Guard) -> Guard | None:
        """
        Put the rules and ports right that somebody else has changed. Openings and flows are left as
        they are: they are expected to be very many.

        @param guard: what will be put in place soon; openings can belong to an earlier one still.
        @return: the guard that is in place now; L{None} if that was not possible.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        last = self._last
        if last is None or self._table.tableOf(TABLE) != self._tableThere:
            return None
        if last.doors == guard.doors:
            last = replace(guard, networks=last.networks)
        if not self._table.putRight(last):
            return None
        self._fingerprint = self._table.readFingerprint()
        self._noteGuard(last)
        return last

    def isCloseTo(self, guard: Guard) -> bool:
        """
        Return whether what is in place is what was put there, and its openings need no other sets
        in another guard.
        """
        if self._placed is None or not self.isInPlace:
            return False
        networks = self._placed.networks
        if scopesOf(self._placed.doors, networks) != scopesOf(guard.doors, networks):
            return False
        doors = {door.name: door for door in self._placed.doors}
        return all(
            (before.once, udpTimesOf(before)) == (door.once, udpTimesOf(door))
            for door in guard.doors
            if (before := doors.get(door.name)) and before.ports == door.ports
        )

    def networks(self) -> frozenset[Scope]:
        """Return the lengths of networks that the rules compare."""
        return self._placed.networks if self._placed is not None else frozenset()

    @property
    def comparesNetworks(self) -> bool:
        """Whether there may be openings for networks."""
        placed = self._placed
        return placed is None or scopesOf(placed.doors, placed.networks) != scopesOf(())

    def note(self, opening: Opening) -> None:
        """Note that the kernel has an opening."""
        self._openings.note(opening)
        if self._changing is not None:
            self._changing.note(opening)

    def finish(self, guard: Guard) -> None:
        """
        Put the guard in place for which L{OpeningPlacer.prepare} has made the openings.

        @raise FirewallError: the kernel refused.
        """
        self._openings.settle(guard.doors)
        placed, self._placed = self._placed, None
        if placed is None or not self._changeRules(placed, guard):
            self._replace(guard, [*self.openings])
        self._noteGuard(guard)

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

    def hasSameRules(self, now: float) -> bool:
        """
        Return whether rules and ports in the kernel are still as they were put there. During a
        change, and for a moment after it, nobody knows.
        """
        if self._changing is not None or now < self._changedAt + SETTLING:
            return False
        try:
            return self._table.readFingerprint() == self._fingerprint
        except FirewallError:
            return False
