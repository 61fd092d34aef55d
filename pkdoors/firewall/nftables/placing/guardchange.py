"""
Puts another guard in place of the one that is there, in many small steps.

Everybody can open and close between two steps, on the terms of the earlier doors, which count until
all is done. What the new guard needs comes before its rules, and what the earlier one needed goes
after them: at no step is a door closed for a client that goes on, or a port without a guard.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.layout import Present
from pkdoors.firewall.guard.openingkeys import listKeys, splitOpenings
from pkdoors.firewall.guard.openingsets import scopeOf
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Opening, carryOver
from pkdoors.model.sources import isNetwork

Steps = Iterator[None]

LAST = 50
"""Openings that are made to fit in one turn of the reactor, at the end."""


class GuardChange:
    """
    @param openings: returns those that the kernel has.
    @param before: the guard that is in place.
    @param guard: the one that will be.
    @param now: the time of the change: no door lets anybody in for longer than it allows from then.
    """

    def __init__(
        self,
        table: GuardTable,
        openings: Callable[[], OpeningTable],
        before: Guard,
        guard: Guard,
        now: float,
    ) -> None:
        self._table = table
        self._getOpenings = openings
        self._now = now
        self._doors = {door.name: door for door in guard.doors}
        self._journal: list[Opening] = []  # what others have opened meanwhile
        self._stale: list[Opening] = []  # whose elements the new guard has elsewhere
        self.before = before
        self.guard = guard

    @property
    def _openings(self) -> OpeningTable:
        return self._getOpenings()

    def note(self, opening: Opening) -> None:
        """Note that somebody has opened."""
        self._journal.append(opening)

    def formsOf(self, opening: Opening) -> list[Opening]:
        """Return an opening as the kernel may have it: at the earlier door, and at the new one."""
        there, fitting = self._openings.get(opening), self.fit(opening)
        forms = {id(each): each for each in (opening, there, fitting) if each is not None}
        return [*forms.values()]

    def compares(self, opening: Opening) -> bool:
        """Return whether both guards compare as much of addresses as an opening needs."""
        scope = scopeOf(opening.source)
        return not isNetwork(opening.source) or (
            self.before.compares(scope) and self.guard.compares(scope)
        )

    def fit(self, opening: Opening) -> Opening | None:
        """Return an opening at the new doors; L{None} if it does not go on."""
        return carryOver(opening, self._doors.get(opening.door.name), self._now)

    def prepare(self, wanted: Iterable[Opening]) -> Steps:
        """
        Make the openings fit both guards.

        @param wanted: those that exist afterwards; each is looked at when its turn comes.
        @raise FirewallError: the kernel refused; C{GuardGone} if the guard is not there.
        """
        old, new = self.before.layout, self.guard.layout
        if self._table.addSets(old, new):
            yield
        # A port may get another door, and lose openings before that.
        for some in splitOpenings([*self._openings]):
            self._remove([each for each in some if self.fit(each) is None])
            yield
        kept: set[int] = set()
        for some in splitOpenings(wanted):
            certain = [each for each in some if not each.door.once or self._openings.has(each)]
            self._add(certain)
            kept |= {id(each) for each in certain}
            yield
        for some in splitOpenings([*self._openings]):
            opened = {id(each) for each in self._journal}
            gone = [each for each in some if id(each) not in kept and id(each) not in opened]
            self._remove(gone)
            yield

    def tidy(self) -> Steps:
        """Remove what only the earlier guard needed, but for sets of openings."""
        stale, self._stale = self._stale, []
        for some in splitOpenings(stale):
            self._removeStale(some)
            yield
        old, new = self.before.layout, self.guard.layout
        sets = [name for name, each in old.sets.items() if not each.isOpenings]
        self._table.removeUnused(new, replace(old.present(), sets=sets))
        yield

    def settle(self) -> Steps:
        """
        Make what others have opened meanwhile fit the new guard. When there is no other step,
        nothing is left to do: nobody may open on the earlier terms any more.

        @raise FirewallError: see L{prepare}.
        """
        while self._journal:
            some, self._journal = self._journal[:LAST], self._journal[LAST:]
            # What was closed, or opened again, is not there in this form.
            there = [each for each in some if self._openings.get(each) is each]
            self._remove([each for each in there if self.fit(each) is None])
            self._add([fit for each in there if (fit := self.fit(each)) is not None])
            stale, self._stale = self._stale, []
            self._removeStale(stale)
            if self._journal:
                yield

    def clear(self) -> None:
        """Remove the sets of openings that only the earlier guard needed."""
        old = self.before.layout
        names = [name for name, each in old.sets.items() if each.isOpenings]
        self._table.removeUnused(self.guard.layout, Present(sets=names))

    def _add(self, openings: Sequence[Opening]) -> None:
        """Make the kernel have openings in the new form."""
        changed = []
        for each in openings:
            there = self._openings.get(each)
            if there is None:
                changed.append(each)
                continue
            isMoved = there.door is not each.door and listKeys(there) != listKeys(each)
            if isMoved:
                self._stale.append(there)
            if isMoved or (there.deadline, there.who) != (each.deadline, each.who):
                changed.append(each)
        # First: otherwise an earlier deadline of one would prolong it, beside another.
        for each in openings:
            self._openings.add(each)
        if changed:
            self._table.addMany(changed, self._othersOf(changed))

    def _remove(self, openings: Collection[Opening]) -> None:
        gone = [each for each in openings if self._openings.get(each) is each]
        if gone:
            for each in gone:
                self._openings.remove(each)
            self._table.remove(gone, self._othersOf(gone))

    def _removeStale(self, stale: Sequence[Opening]) -> None:
        """Remove the elements that openings had in the earlier form, and have no more."""
        if stale:
            present = [there for each in stale if (there := self._openings.get(each))]
            self._table.remove(stale, [*present, *self._othersOf(stale)])

    def _othersOf(self, openings: Iterable[Opening]) -> list[Opening]:
        return [other for each in openings for other in self._openings.others(each)]
