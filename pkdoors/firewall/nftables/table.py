"""Replaces the guard's table in the kernel without a gap."""

import errno
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from twisted.logger import Logger

from pkdoors.errors import FirewallError
from pkdoors.firewall.earlier import secondguard
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import HANDOVER, TABLE, Guard
from pkdoors.firewall.guard.layout import Layout, Present
from pkdoors.firewall.guard.openingsets import udpTimesOf
from pkdoors.firewall.guard.sets import ABOUT, originNote
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.netlink.dump import askChains, readChains
from pkdoors.firewall.netlink.kernel import GuardGone, NotPermitted, errorFor
from pkdoors.firewall.netlink.library import Library, notOwnerError
from pkdoors.firewall.netlink.messages import OWNED, PERSISTS
from pkdoors.firewall.nftables._takeover import Predecessor, readOldGuard
from pkdoors.firewall.nftables.contents.inspection import GuardInspector
from pkdoors.firewall.nftables.contents.reader import bootClock
from pkdoors.firewall.nftables.contents.writer import GuardWriter
from pkdoors.firewall.ways.forwards import Forwards
from pkdoors.firewall.ways.natrules import readForwardsInTurns
from pkdoors.model.doors import Door, Opening


def openTable(seconds: Callable[[], float]) -> "GuardTable":
    """
    Return the table of this host's guard.

    @raise FirewallError: this host, or this process, cannot have a guard.
    """
    library = Library()
    return GuardTable(library, library.canOwn(), seconds)


class GuardTable(GuardWriter):
    """
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
        super().__init__(library.kernel, seconds, bootClock)
        self._library = library
        self.isOwned = isOwned
        self.port = library.kernel.port

    def judge(self, guard: Guard) -> None:
        """
        Have the kernel check a guard, without putting it in place.

        @raise FirewallError: the kernel would refuse it.
        """
        # Under another name: the present table may be of another version.
        self._library.judge(f"add table inet {HANDOVER}\n{guard.layout.commands(HANDOVER)}")

    def close(self) -> None:
        """Let go of the table, which stays in the kernel."""
        self._library.close()

    def readPredecessor(self, doors: Collection[Door], isSettled: bool) -> Predecessor:
        """
        Return the guard that an earlier daemon left.

        @param isSettled: whether the host booted some time ago. A guard of the previous version
            does not say of which boot it is: soon after a boot it may come from a saved ruleset.
        @raise FirewallError: the kernel's table cannot be read.
        """
        name = TABLE if self.isThere() else HANDOVER  # a daemon may be killed while it hands over
        survey = self.survey(name)
        if survey.table is None:
            return Predecessor()
        if survey.isOurs or secondguard.FORMAT in survey.notes:
            openings = self.listOpenings(survey, doors, name)
            return Predecessor(isThere=True, protected=survey.protected(), openings=openings)
        return readOldGuard(
            self._library.listAsJson(f"table inet {name}"), doors, self._seconds(), isSettled
        )

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

    def change(self, before: Guard, guard: Guard) -> bool:
        """
        Change the guard that is in place, and unchanged, into another one. Only what differs is
        sent. Openings are left as they are.

        @param before: the guard that is in place.
        @return: whether that was possible.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        old, new = before.layout, guard.layout
        present = old.present()
        if new.reshapes(present):
            return False
        for _ in self.replaceRules(before, guard):
            pass
        if _timesByPorts(before.doors) != _timesByPorts(guard.doors):
            self.moveFlows(guard.doors, present.sets, TABLE)
        if any(door.cutSessions for door in guard.doors):
            self.removeCutSessions(guard.doors, TABLE)
        self.removeUnused(new, present)
        return True

    def replaceRules(self, before: Guard, guard: Guard) -> Iterator[None]:
        """
        Put the rules of a guard in place of those of another one, and the ports and ways that lead
        to them, in steps. What only the earlier one needed stays.

        @raise FirewallError: see L{change}.
        """
        old, new = before.layout, guard.layout
        if not new.hasRulesOf(old):
            ours = guard.withOrigin(Survey(self.tableOf(TABLE)).origin(self.boot))
            self._library.run(ours.layout.commands(TABLE))
            yield
        yield from self.writingChanges(new, old.present())
        if before.direct != guard.direct or new.chains != old.chains:
            self.writeWays(guard)
            yield

    def addSets(self, old: Layout, new: Layout) -> bool:
        """
        Add the sets that a layout needs and an earlier one did not. Return whether there are any.

        @raise FirewallError: see L{change}.
        """
        commands = new.additions(TABLE, old.present())
        if commands:
            self._library.run(commands)
        return bool(commands)

    def removeUnused(self, layout: Layout, present: Present) -> None:
        """
        Remove what a layout does not need.

        @param present: what may have to go.
        @raise FirewallError: see L{change}.
        """
        if removal := layout.removal(TABLE, present):
            self._library.run(removal)

    @contextmanager
    def beside(self) -> Iterator[GuardInspector]:
        """
        Return what reads the table in another thread: with very many elements that takes a second.

        @raise GuardGone: the table is not there, or was removed meanwhile.
        """
        kernel = self._library.openKernel()
        try:
            inspector = GuardInspector(kernel, self._seconds, self._bootClock)
            before = inspector.tableOf(TABLE)
            yield inspector
            if before is None or inspector.tableOf(TABLE) != before:
                raise errorFor(errno.ENOENT)
        finally:
            kernel.close()

    def readFingerprintBeside(self) -> object:
        """Do what L{readFingerprint} does, in another thread; return L{None} if that fails."""
        try:
            with self.beside() as reader:
                return reader.tableOf(TABLE) if self.isOwned else reader.readFingerprint()
        except FirewallError:
            return None

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

    def readFingerprint(self) -> object:
        """See L{GuardReader.readFingerprint}. Nobody else can change a table that we own."""
        return self.tableOf(TABLE) if self.isOwned else super().readFingerprint()

    def addScope(self, guard: Guard) -> None:
        """
        Have the rules compare more of addresses in a guard that is in place.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        origin = Survey(self.tableOf(TABLE)).origin(self.boot)
        if originNote(origin) not in {element.comment for element in self.listElements(ABOUT)}:
            raise errorFor(errno.ENOENT)
        guard = replace(guard, origin=origin)
        self._library.run(guard.layout.commands(TABLE))

    def writeWays(self, guard: Guard, table: str = TABLE) -> None:
        """
        Put exactly a guard's ways past the protected ports into the kernel, and the chains that
        judge them. Only what differs is written.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        wanted = guard.wayChains()
        if wanted and not wanted <= {*readChains(self._kernel.dump(askChains(table)), table)}:
            origin = Survey(self.tableOf(table)).origin(self.boot)
            self._library.run(replace(guard, origin=origin).layout.commands(table))
        super().writeWays(guard, table)

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
        if (
            survey.isOurs and openings is not None
        ):  # a port may get another door, and lose openings before that
            self.removeOpenings(guard, openings, name)
        # The rules come first and alone: they are small, so they always fit. What grows comes after
        # them.
        self._library.run(layout.commands(name, present))
        self.writeChanges(layout, present, name)
        if openings is not None:
            self.writeOpenings(guard, openings, name)
        super().writeWays(guard, name)
        if openings is not None:
            self.writeFlows(guard.doors, flows, name)
            if survey.isOf(self.boot):
                self.moveFlows(guard.doors, survey.sets, name)
            self.removeCutSessions(guard.doors, name)
        if removal := layout.removal(name, present):
            self._library.run(removal)

    def readForwards(self) -> Generator[None, None, Forwards]:
        """Read where the host forwards ports to, see L{readForwardsInTurns}."""
        return readForwardsInTurns(self._kernel.dump)

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


def needsFlows(before: Guard, guard: Guard) -> bool:
    """
    Return whether flows must move or go when a guard replaces another one, because UDP sessions
    have other times, or doors cut sessions that kept them.
    """
    cut = [
        {ports for door in each.doors if door.cutSessions for ports in door.ports}
        for each in (before, guard)
    ]
    return not cut[1] <= cut[0] or _timesByPorts(before.doors) != _timesByPorts(guard.doors)


def _timesByPorts(doors: Collection[Door]) -> set[object]:
    return {
        (ports, udpTimesOf(door))
        for door in doors
        for ports in door.ports
        if ports.protocol == "udp"
    }
