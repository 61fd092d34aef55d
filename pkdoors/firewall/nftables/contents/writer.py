"""Writes elements into the guard's table in the kernel."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from socket import AF_INET, AF_INET6

from pkdoors.firewall.guard.flowbooks import Books, findCut, findMoved, isUdpFlows
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.layout import Change, Layout, Present, isInterval
from pkdoors.firewall.guard.openingkeys import listKeys, sourceKey
from pkdoors.firewall.guard.openingsets import OnceSet, onceSetOf, onceSets, scopesOf
from pkdoors.firewall.guard.sets import (
    COMPLETE,
    listOpeningSets,
    setsFor,
)
from pkdoors.firewall.netlink.kernel import ElementThere, GuardGone, SetFull
from pkdoors.firewall.netlink.messages import (
    PORTION,
    Element,
    splitPortions,
)
from pkdoors.firewall.netlink.setchanges import (
    addElements,
    addNew,
    changeElements,
    changeSets,
    removeElements,
    splitRange,
    swapElements,
)
from pkdoors.firewall.nftables.contents.reader import GuardReader, groupBySet
from pkdoors.firewall.openings.elements import differs, lookupElement, openingElement
from pkdoors.model.doors import Door, Opening

MANY = 50
"""Openings in one transaction: each has an element for each of its ports, too."""

Wanted = dict[str, dict[bytes, Element]]
"""Elements by their keys, by the names of their sets."""


class GuardWriter(GuardReader):
    """
    Adds, replaces and removes elements. All methods that write raise a C{FirewallError} if the
    kernel refuses.
    """

    def add(self, opening: Opening, isNew: bool = True, others: Iterable[Opening] = ()) -> None:
        """
        Add an opening, or give it another deadline.

        @param isNew: whether it was granted anew: if it is for one connection, it is not used then.
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
        Add openings, or give them other deadlines, in one transaction: at most L{MANY}. Those for
        one connection that are used stay so.

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
        for portion in splitPortions(gone):
            self._removeTogether(portion, left)
        for once, some in groupBySet(openings).items():
            if sets is not None and once.used not in sets:
                continue
            # Only now: without its mark, an opening would be unused again.
            with suppress(GuardGone):
                self._dropMarks(once.used, [sourceKey(opening.source) for opening in some])

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

    def markComplete(self, table: str = TABLE) -> None:
        """Hear that all openings are there: sessions of others can be cut off."""
        keys = {bytes([family]) for family in (AF_INET, AF_INET6)}
        if not keys <= self.listKeys(COMPLETE, table):
            self._kernel.transact(addElements(table, COMPLETE, map(Element, sorted(keys))))

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

    def writeChanges(self, layout: Layout, present: Present, table: str = TABLE) -> None:
        """Write what differs of the elements that follow from the configuration alone."""
        for _ in self.writingChanges(layout, present, table):
            pass

    def writingChanges(
        self, layout: Layout, present: Present, table: str = TABLE
    ) -> Iterator[None]:
        """Do the same in steps."""
        for change in layout.changes(present):
            for gone, new in _portions(change):
                self._kernel.transact(changeElements(table, change.name, gone, new))
                yield
            yield

    def writeWays(self, guard: Guard, table: str = TABLE) -> None:
        """
        Put exactly a guard's ways past the protected ports into the kernel. Only what differs is
        written.

        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        gone = {}
        for name, elements in guard.ways().items():
            wanted = {element.key: element for element in elements}
            present = {element.key: element for element in self.listElements(name, table)}
            gone[name] = present.keys() - wanted.keys()
            # A way that is missing is open, so all new ones come first.
            new = (element for key, element in wanted.items() if present.get(key) != element)
            for portion in splitPortions(new):
                changed = [element.key for element in portion if element.key in present]
                self._kernel.transact(swapElements(table, name, changed, portion))
        for name, keys in gone.items():
            for keysPortion in splitPortions(keys):
                self._kernel.transact(swapElements(table, name, keysPortion, ()))

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

    def writeFlows(self, doors: Iterable[Door], books: Books, table: str) -> None:
        """Add the flows that have time left; those that are there already keep their time."""
        for _ in self.addFlows(doors, books, table):
            pass

    def addFlows(self, doors: Iterable[Door], books: Books, table: str) -> Iterator[None]:
        """Do the same in steps."""
        now, sets = self._seconds(), setsFor(doors)
        for name, flows in books.items():
            if name not in sets:
                continue
            present = {element.key for element in self.listElements(name, table)}
            elements = [
                Element(key, expires=round(1000 * min(deadline - now, sets[name].timeout)))
                for key, deadline in flows.items()
                if deadline - now > 0.001 and key not in present
            ]
            for portion in splitPortions(elements):
                with suppress(SetFull):
                    self._kernel.transact(addElements(table, name, portion))
                yield

    def spareFlows(self, books: Books) -> Iterator[None]:
        """
        Add flows that are not known to be there, in steps, and without a look at what is there. One
        that is there all the same counts from now.
        """
        now = self._seconds()
        for name, flows in books.items():
            elements = [
                Element(key, expires=max(1, round(1000 * (deadline - now))))
                for key, deadline in flows.items()
            ]
            for portion in splitPortions(elements):
                with suppress(SetFull):
                    self._kernel.transact(changeElements(TABLE, name, (), portion))
                yield

    def moveFlows(self, doors: Iterable[Door], present: Iterable[str], table: str) -> None:
        """
        Copy UDP flows whose door has other times now into the sets for these.

        @param present: the names of the sets in the table.
        """
        found = {name: self.listFlowsIn(name, table) for name in present if isUdpFlows(name)}
        self.writeFlows(doors, findMoved(doors, found), table)

    def removeCutSessions(self, doors: Iterable[Door], table: str) -> None:
        """Remove the sessions of doors that cut sessions now, but may have kept them before."""
        doors = list(doors)
        if any(door.cutSessions for door in doors):
            found = {name: self.listFlowsIn(name, table) for name in ("sessions4", "sessions6")}
            for _ in self.removeFlows(findCut(doors, found), table):
                pass

    def removeFlows(self, gone: Mapping[str, Iterable[bytes]], table: str) -> Iterator[None]:
        """Remove flows in steps."""
        for name, keys in gone.items():
            for portion in splitPortions(keys):
                self._kernel.transact(removeElements(table, name, portion))
                yield

    def _remove(self, table: str, name: str, keys: Iterable[bytes]) -> None:
        for portion in splitPortions(keys):
            self._kernel.transact(removeElements(table, name, portion))


def _byName(keyed: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for name, key in keyed:
        found.setdefault(name, []).append(key)
    return found


def _portions(change: Change) -> Iterable[tuple[list[Element], list[Element]]]:
    """
    Yield elements that go and elements that come, a portion at a time. A single port that changes
    does so in one transaction. Ranges can overlap others that go, so those go first.
    """
    if isInterval(change.name):
        gone = [part for element in change.gone for part in splitRange(element)]
        new = [part for element in change.new for part in splitRange(element)]
        if 0 < len(gone) + len(new) <= PORTION:
            yield gone, new
            return
    else:
        added = {element.key: element for element in change.new}
        swapped = [element for element in change.gone if element.key in added]
        gone = [element for element in change.gone if element.key not in added]
        for portion in splitPortions(swapped, PORTION // 2):
            yield portion, [added.pop(element.key) for element in portion]
        new = [*added.values()]
    for portion in splitPortions(gone):
        yield portion, []
    for portion in splitPortions(new):
        yield [], portion
