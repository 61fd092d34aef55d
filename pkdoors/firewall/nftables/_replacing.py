"""Replaces the guard's table in the kernel without a gap."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import HANDOVER, TABLE, Guard
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.netlink.kernel import GuardGone, NotPermitted
from pkdoors.firewall.netlink.library import Library, notOwnerError
from pkdoors.firewall.netlink.messages import OWNED, PERSISTS
from pkdoors.firewall.nftables.contents.reader import bootClock
from pkdoors.firewall.nftables.contents.rulewriter import RuleWriter
from pkdoors.model.doors import Opening


class TableReplacer(RuleWriter):
    """
    Puts guards in place, whatever there is now.

    @param isOwned: whether nobody but us can change the table.
    @param seconds: the clock of deadlines.
    @ivar port: our netlink port, which marks our own changes.
    """

    _log = Logger()

    def __init__(
        self,
        library: Library,
        isOwned: bool,
        seconds: Callable[[], float],
        bootClock: Callable[[], float] = bootClock,
    ) -> None:
        super().__init__(library, seconds, bootClock)
        self.isOwned = isOwned
        self.port = library.kernel.port

    def replace(
        self,
        guard: Guard,
        openings: Collection[Opening],
        flows: Books,
        isComplete: bool = True,
    ) -> None:
        """
        Put a guard in place, with exactly these openings. Whatever there is now, no packet reaches
        a protected port without passing a guard meanwhile.

        @param openings: those for one connection are left out unless this very table has been in
            place: nobody else knows whether they were used.
        @param flows: the flows that must go on, in addition to those that the kernel remembers.
        @param isComplete: whether no more openings follow.
        @raise FirewallError: the kernel refused. The earlier guard is still in place.
        """
        survey = self.survey()
        isSame = self._fits(survey) and survey.isOf(self.boot)
        openings = [opening for opening in openings if isSame or not opening.door.once]
        if survey.table is None:
            flows = self.mergeFlows(flows, guard.doors, HANDOVER)
            self._place(TABLE, guard, survey, openings, flows)
        elif survey.table.owner not in (0, self.port):
            raise notOwnerError(TABLE)
        elif not (self._fits(survey) and self._mend(guard, survey, openings, flows)):
            openings = [opening for opening in openings if not opening.door.once]
            self._handOver(guard, openings, self.mergeFlows(flows, guard.doors, TABLE))
        if isComplete:
            self.markComplete()
        self.delete(HANDOVER)  # a daemon may have been killed while it handed over

    def putRight(self, guard: Guard) -> bool:
        """
        Put the rules, the ports and the ways of a guard right that somebody else has changed.
        Openings and flows are left as they are.

        @return: whether that was possible; otherwise L{replace} is.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        survey = self.survey()
        if not (self._fits(survey) and survey.isOf(self.boot)):
            return False
        if self._reshapes(guard, survey, TABLE):
            return False
        try:
            self._place(TABLE, guard, survey, None, {})
            self.markComplete()
        except (NotPermitted, GuardGone):
            raise
        except FirewallError:
            return False
        return True

    def _fits(self, survey: Survey) -> bool:
        """
        Return whether the table can be changed in place: it has our version and kind of owner.
        """
        flags = survey.table.flags if survey.table is not None else 0
        # When the owner is gone, the kernel only remembers that the table persists.
        return survey.isOurs and flags & PERSISTS == (PERSISTS if self.isOwned else 0)

    def _mend(
        self, guard: Guard, survey: Survey, openings: Collection[Opening], flows: Books
    ) -> bool:
        """
        Change the present table in place.

        @return: whether that was possible: somebody may have added a set of another kind to it.
        """
        if self._reshapes(guard, survey, TABLE):
            deaf = replace(guard, capture=None)  # otherwise each knock would be logged twice
            with self._finished(HANDOVER, beside=TABLE):
                known = self.mergeFlows(flows, guard.doors, TABLE)
                self._placeBeside(deaf, openings, known)
        try:
            self._place(TABLE, guard, survey, openings, flows)
        except (NotPermitted, GuardGone):
            raise
        except FirewallError as error:
            self._log.warn(
                "the present guard cannot be changed in place ({reason}): replacing its table",
                reason=error,
            )
            return False
        return True

    def _handOver(self, guard: Guard, openings: Collection[Opening], flows: Books) -> None:
        """Make before break: a drop in either table is final, so one of them always guards."""
        deaf = replace(guard, capture=None)  # otherwise each knock would be logged twice
        with self._finished(HANDOVER, beside=TABLE):
            self._placeBeside(deaf, openings, flows)
            self.delete(TABLE)
        with self._finished(TABLE, beside=HANDOVER):
            self._place(TABLE, guard, Survey(), openings, flows)
            self.writeFlows(guard.doors, self.listFlows(guard.doors, HANDOVER), TABLE)

    def _placeBeside(self, guard: Guard, openings: Collection[Opening], flows: Books) -> None:
        """Put a guard in place beside the present one."""
        survey = self.survey(HANDOVER)
        isOfUse = survey.isOurs and not self._reshapes(guard, survey, HANDOVER)
        if survey.table is not None and not isOfUse:
            self.delete(HANDOVER)
            survey = Survey()
        self._place(HANDOVER, guard, survey, openings, flows, isOwned=False)

    def _reshapes(self, guard: Guard, survey: Survey, table: str) -> bool:
        """Return whether another guard is needed meanwhile, see L{Layout.reshapes}."""
        configured = self.listConfigured(guard.layout, survey, table)
        return guard.layout.reshapes(survey.present(guard, self.boot, configured))

    @contextmanager
    def _finished(self, name: str, beside: str) -> Iterator[None]:
        """
        Remove a table that could not be finished: it would keep out clients whose door is open.

        @param beside: the table that guards meanwhile; if that is gone, this one stays.
        """
        try:
            yield
        except FirewallError:
            with suppress(FirewallError):
                if self.tableOf(beside) is not None:
                    self.delete(name)
            raise

    def _place(
        self,
        name: str,
        guard: Guard,
        survey: Survey,
        openings: Collection[Opening] | None,
        flows: Books,
        isOwned: bool | None = None,
    ) -> None:
        """
        Put a guard into a table.

        @param openings: L{None} to leave openings and flows as they are.
        """
        isOwned = self.isOwned if isOwned is None else isOwned
        self._library.take(name, OWNED if isOwned else 0)
        created = Survey(self.tableOf(name))
        guard = guard.withOrigin(created.origin(self.boot))
        layout = guard.layout
        configured = self.listConfigured(layout, survey, name)
        present = survey.present(guard, self.boot, configured)
        # A port may get another door, and lose openings before that.
        if survey.isOurs and openings is not None:
            self.removeOpenings(guard, openings, name)
        # The rules come first and alone: they are small, so they always fit. What grows comes after
        # them.
        self._library.run(layout.commands(name, present))
        self.writeChanges(layout, present, name)
        if openings is not None:
            self.writeOpenings(guard, openings, name)
        self.writeWayElements(guard, name)
        if openings is not None:
            self.writeFlows(guard.doors, flows, name)
            if survey.isOf(self.boot):
                self.moveFlows(guard.doors, survey.sets, name)
            self.removeCutSessions(guard.doors, name)
        if removal := layout.removal(name, present):
            self._library.run(removal)

    def delete(self, name: str) -> bool:
        """
        Remove a table, if it is there.

        @return: whether it was.
        @raise FirewallError: the kernel refused.
        """
        table = self.tableOf(name)
        if table is None:
            return False
        if table.owner not in (0, self.port):
            raise notOwnerError(name)
        self._library.run(f"delete table inet {name}")
        return True
