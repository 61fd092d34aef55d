"""Puts very many openings in place, and knows which are there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pkdoors.firewall.guard.guard import Guard
from pkdoors.firewall.guard.openingkeys import listAllKeys, splitOpenings
from pkdoors.firewall.netlink.messages import splitPortions
from pkdoors.firewall.nftables.contents.inspection import Damage
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import isNetwork

Steps = Iterator[None]
"""Work that others may interrupt after each step."""


class OpeningPlacer:
    """
    Makes the openings in the kernel those that are wanted. Others can be opened and closed between
    two steps.

    @ivar openings: the openings in the kernel.
    """

    def __init__(self) -> None:
        self._table: GuardTable
        self.openings = OpeningTable()
        self._journal: list[Opening] | None = None  # what was opened during a change
        self._fresh: list[set[tuple[str, bytes]]] = []

    def start(self, table: GuardTable) -> None:
        """Begin to work with a table."""
        self._table = table

    def abandon(self) -> None:
        """Forget what L{prepare} has begun."""
        self._journal = None

    def note(self, opening: Opening) -> None:
        """Note that the kernel has an opening."""
        self.openings.add(opening)
        if self._journal is not None:
            self._journal.append(opening)
        for fresh in self._fresh:
            fresh |= listAllKeys(opening)

    def dropOnce(self) -> Steps:
        """Remove openings for one connection, because they may have been used."""
        for some in splitOpenings([*self.openings]):
            self._removeMany([each for each in some if each.door.once and self._has(each)])
            yield

    def repair(self, damage: Damage) -> Steps:
        """
        Put right what differs in the kernel.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        for strange in splitPortions(damage.strange):
            self._table.removeStrange([each for each in strange if each not in damage.fresh])
            yield
        for marks in splitPortions(damage.marks):
            self._table.removeMarks([each for each in marks if each not in damage.fresh])
            yield
        for some in splitOpenings(damage.openings):
            self._addMany([each for each in some if self._has(each)])
            yield

    @contextmanager
    def recording(self) -> Iterator[set[tuple[str, bytes]]]:
        """Return a set to which the elements of openings are added that are opened meanwhile."""
        fresh: set[tuple[str, bytes]] = set()
        self._fresh.append(fresh)
        try:
            yield fresh
        finally:
            self._fresh = [each for each in self._fresh if each is not fresh]

    def fill(self, openings: Iterable[Opening], addScope: Callable[[Opening], None]) -> Steps:
        """
        Add openings to a guard that has none. Those for one connection are left out: nobody knows
        whether they were used.

        @param addScope: called before each that is for a network.
        """
        many = (opening for opening in openings if not opening.door.once)
        for some in splitOpenings(many):
            for opening in some:
                if isNetwork(opening.source):
                    addScope(opening)
            self._addMany(some)
            yield

    def prepare(self, guard: Guard, openings: Iterable[Opening]) -> Steps:
        """
        Make the openings those that exist under another guard, which L{GuardPlacer.finish} puts in
        place.

        @param openings: those that exist afterwards; each is looked at when its turn comes.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        self._journal, doors = [], {door.name: door for door in guard.doors}
        kept: set[int] = set()
        # A port may get another door, and lose openings before that.
        for some in splitOpenings([*self.openings]):
            self._removeMany([each for each in some if not _isKept(each, doors)])
            yield
        for some in splitOpenings(openings):
            certain = [each for each in some if not each.door.once or self.openings.has(each)]
            self._addMany([each for each in certain if self._differs(each)])
            for opening in certain:
                self.openings.add(opening)
                kept.add(id(opening))
            yield
        for some in splitOpenings([*self.openings]):
            kept |= {id(each) for each in self._journal}
            self._removeMany([each for each in some if id(each) not in kept and self._has(each)])
            yield

    def settle(self, doors: Iterable[Door]) -> None:
        """
        End what L{prepare} has begun: remove what was opened meanwhile, and does not go on.

        @param doors: those of the guard that comes now.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        journal, self._journal = self._journal or [], None
        known = {door.name: door for door in doors}
        # What was closed since, or opened again, is not there in this form.
        there = [each for each in journal if self._has(each)]
        self._removeMany([each for each in there if not _isKept(each, known)])

    def _has(self, opening: Opening) -> bool:
        return self.openings.get(opening) is opening

    def _differs(self, opening: Opening) -> bool:
        known = self.openings.get(opening)
        return known is None or (known.deadline, known.who) != (opening.deadline, opening.who)

    def _addMany(self, openings: Sequence[Opening]) -> None:
        if openings:
            others = [other for each in openings for other in self.openings.others(each)]
            self._table.addMany(openings, others)
            for opening in openings:
                self.openings.add(opening)

    def _removeMany(self, openings: Sequence[Opening]) -> None:
        if openings:
            for opening in openings:
                self.openings.remove(opening)
            others = [other for each in openings for other in self.openings.others(each)]
            self._table.remove(openings, others)


def _isKept(opening: Opening, doors: Mapping[str, Door]) -> bool:
    """Return whether an opening goes on when there are other doors."""
    door = doors.get(opening.door.name)
    return door is not None and (door.ports, door.once) == (opening.door.ports, opening.door.once)
