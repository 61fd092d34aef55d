"""Changes the rules of a guard that is in place."""

import errno
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.layout import Layout, Present
from pkdoors.firewall.guard.openingsets import udpTimesOf
from pkdoors.firewall.guard.sets import ABOUT, originNote
from pkdoors.firewall.guard.survey import Survey
from pkdoors.firewall.netlink.dump import askChains, readChains
from pkdoors.firewall.netlink.kernel import errorFor
from pkdoors.firewall.netlink.library import Library
from pkdoors.firewall.nftables.contents.writer import GuardWriter
from pkdoors.model.doors import Door


class RuleWriter(GuardWriter):
    """
    Changes rules, with the ports and ways that lead to them. Openings are left as they are.

    @param library: gives the kernel rules in nft's language.
    """

    def __init__(
        self, library: Library, seconds: Callable[[], float], bootClock: Callable[[], float]
    ) -> None:
        super().__init__(library.kernel, seconds, bootClock)
        self._library = library

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
        self.writeWayElements(guard, table)


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
