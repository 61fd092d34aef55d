"""Writes openings into the guard's table in the kernel."""

from collections.abc import Collection, Iterable
from contextlib import suppress

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingkeys import listKeys, sourceKey
from pkdoors.firewall.guard.openingsets import OnceSet, onceSetOf, onceSets, scopesOf
from pkdoors.firewall.guard.sets import listOpeningSets
from pkdoors.firewall.netlink.kernel import ElementThere, GuardGone
from pkdoors.firewall.netlink.messages import TOGETHER, Element, splitPortions
from pkdoors.firewall.netlink.setchanges import (
    addElements,
    addNew,
    changeSets,
    removeElements,
    swapElements,
)
from pkdoors.firewall.nftables.contents.reader import GuardReader, groupBySet
from pkdoors.firewall.openings.elements import differs, lookupElement, openingElement
from pkdoors.model.doors import Opening

Wanted = dict[str, dict[bytes, Element]]
"""Elements by their keys, by the names of their sets."""


class OpeningWriter(GuardReader):
    """
    Adds, replaces and removes elements of openings. All methods that write raise a C{FirewallError}
    if the kernel refuses.
    """

    def add(self, opening: Opening, isNew: bool = True, others: Iterable[Opening] = ()) -> None:
        """
        Add an opening, or give it another deadline.

        @param isNew: whether it was granted again: if it is for one connection, it is unused then.
        @param others: the other openings for the same source.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        wanted = self._makeElements([opening])
        self._prolong(wanted, others)
        elements = {name: list(found.values()) for name, found in wanted.items()}
        if isNew and (mark := self._findMark(opening)):
            with suppress(GuardGone):
                self._kernel.transact(changeSets(TABLE, {}, elements, certain=mark))
                return
        self._kernel.transact(changeSets(TABLE, {}, elements))

    def _findMark(self, opening: Opening) -> dict[str, list[bytes]]:
        """
        Return the mark in the kernel that says that an opening for one connection is used, by its
        set. To delete what is not there would take the kernel ten milliseconds.
        """
        if not (opening.door.once and opening.door.ports):
            return {}
        name, key = onceSetOf(opening).used, sourceKey(opening.source)
        return {name: [key]} if self.findKeys(name, [key]) else {}

    def addFirst(self, opening: Opening) -> None:
        """
        Add the first opening for a source: nothing has to be deleted before it, which is half of
        the work, and the client waits for all of it. If there are elements that nobody knows of,
        they are replaced.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        if self._findMark(opening):
            self.add(opening)
            return
        wanted = self._makeElements([opening])
        elements = {name: found.values() for name, found in wanted.items()}
        try:
            self._kernel.transact(addNew(TABLE, elements))
        except ElementThere:
            self.add(opening)

    def addMany(self, openings: Iterable[Opening], others: Iterable[Opening]) -> None:
        """
        Add openings, or give them other deadlines, in one transaction. Those for one connection
        that are used stay so.

        @param openings: see L{splitOpenings}.
        @param others: the other openings for the same sources.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        wanted = self._makeElements(openings)
        self._prolong(wanted, others)
        elements = {name: list(found.values()) for name, found in wanted.items()}
        if elements:
            self._kernel.transact(changeSets(TABLE, {}, elements))

    def remove(
        self,
        openings: Iterable[Opening],
        others: Iterable[Opening] = (),
        sets: Collection[str] | None = None,
    ) -> None:
        """
        Remove openings, all in one transaction if they are not too many for a message; if the guard
        is gone, so are they.

        @param others: the other openings for the same sources, which go on.
        @param sets: the names of all sets that are there; L{None} if nobody knows. The kernel takes
            ten milliseconds to find out that one is not.
        @raise FirewallError: the kernel refused.
        """
        openings = list(openings)
        left = self._makeElements(others)
        gone = [
            (name, key)
            for name, found in self._makeElements(openings).items()
            if sets is None or name in sets
            for key in found
        ]
        for portion in splitPortions(gone, TOGETHER):
            self._removeTogether(portion, left)
        for once, some in groupBySet(openings).items():
            if sets is not None and once.used not in sets:
                continue
            # Only now: without its mark, an opening would be unused again.
            with suppress(GuardGone):
                for keys in splitPortions(sourceKey(opening.source) for opening in some):
                    self._dropMarks(once.used, keys)

    def _removeTogether(self, keyed: Iterable[tuple[str, bytes]], left: Wanted) -> None:
        gone: dict[str, list[bytes]] = {}
        kept: dict[str, list[Element]] = {}
        for name, key in keyed:
            if element := left.get(name, {}).get(key):
                kept.setdefault(name, []).append(element)
            else:
                gone.setdefault(name, []).append(key)
        try:
            self._kernel.transact(changeSets(TABLE, gone, kept))
        except GuardGone:  # or just the sets of one of the doors
            for name in gone.keys() | kept.keys():
                parts = {name: gone.get(name, [])}, {name: kept.get(name, [])}
                with suppress(GuardGone):
                    self._kernel.transact(changeSets(TABLE, *parts))

    def _dropMarks(self, name: str, keys: list[bytes]) -> None:
        """Remove those of these keys that a set of used openings has."""
        if marked := self.findKeys(name, keys):
            self._kernel.transact(swapElements(TABLE, name, marked, ()))

    def _prolong(self, wanted: Wanted, others: Iterable[Opening]) -> None:
        """Give elements the time that other openings have, if those last longer."""
        for name, found in self._makeElements(others).items():
            there = wanted.get(name, {})
            for key in found.keys() & there.keys():
                if found[key].timeout > there[key].timeout:
                    there[key] = found[key]

    def _makeElements(self, openings: Iterable[Opening], now: float | None = None) -> Wanted:
        """
        Return the elements for openings, with the time that they have left. Where several are for
        one client and one port, the last deadline counts.

        @param now: the time; L{None} for the present one.
        """
        now, sinceBoot = self._seconds() if now is None else now, self._bootClock()
        wanted: Wanted = {}
        for opening in openings:
            left = opening.deadline - now
            (name, key), lookups = listKeys(opening)
            element = openingElement(key, opening, left, sinceBoot)
            wanted.setdefault(name, {})[key] = element
            for name, key in lookups:
                element = lookupElement(key, left)
                there = wanted.setdefault(name, {})
                if key not in there or there[key].timeout < element.timeout:
                    there[key] = element
        return wanted

    def removeStrange(self, strange: Iterable[tuple[str, bytes]]) -> None:
        """
        Remove elements that no opening has: at most L{PORTION} of them.

        @param strange: the name of a set and a key, each.
        """
        if gone := _byName(strange):
            self._kernel.transact(changeSets(TABLE, gone, {}))

    def removeMarks(self, marks: Iterable[tuple[str, bytes]]) -> None:
        """Do the same with marks that say of an opening that it is used."""
        for name, keys in _byName(marks).items():
            with suppress(GuardGone):
                self._dropMarks(name, keys)

    def removeOpenings(self, guard: Guard, openings: Iterable[Opening], table: str) -> None:
        """Remove all elements that do not belong to these openings."""
        wanted = self._makeElements(openings)
        for name in listOpeningSets(guard.doors, guard.networks):
            self._remove(table, name, self.listKeys(name, table) - wanted.get(name, {}).keys())

    def writeOpenings(self, guard: Guard, openings: Iterable[Opening], table: str) -> None:
        """Put exactly these openings into the kernel. Only what differs is written."""
        wanted = self._makeElements(openings)
        for name in listOpeningSets(guard.doors, guard.networks):
            elements = wanted.get(name, {})
            present = {element.key: element for element in self.listElements(name, table)}
            self._remove(table, name, present.keys() - elements.keys())
            changed = [
                element for key, element in elements.items() if differs(element, present.get(key))
            ]
            for portion in splitPortions(changed):
                self._kernel.transact(addElements(table, name, portion))
        for once in self._onceSets(guard):
            gone = self.listKeys(once.used, table) - wanted.get(once.name, {}).keys()
            for keys in splitPortions(gone):
                self._kernel.transact(swapElements(table, once.used, keys, ()))

    def _onceSets(self, guard: Guard) -> list[OnceSet]:
        scopes = scopesOf(guard.doors, guard.networks)
        return [once for door in guard.doors for once in onceSets(door, scopes)]

    def _remove(self, table: str, name: str, keys: Iterable[bytes]) -> None:
        for portion in splitPortions(keys):
            self._kernel.transact(removeElements(table, name, portion))


def _byName(keyed: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for name, key in keyed:
        found.setdefault(name, []).append(key)
    return found
