"""Writes elements into the guard's table in the kernel."""

from collections.abc import Iterable
from contextlib import suppress

from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.flows import isOn, parseFlow
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingsets import OpeningSet, openingSets, setOf
from pkdoors.firewall.guard.sets import differs, openingElement, openingKey, setName, setsFor
from pkdoors.firewall.netlink.kernel import GuardGone, SetFull
from pkdoors.firewall.netlink.messages import (
    Element,
    addElements,
    removeElements,
    removeFromSets,
    renewElement,
    splitPortions,
    swapElements,
)
from pkdoors.firewall.nftables._reader import GuardReader
from pkdoors.model.doors import Door, Opening


class GuardWriter(GuardReader):
    """
    Adds, replaces and removes elements. All methods that write raise a C{FirewallError} if the
    kernel refuses.
    """

    def add(self, opening: Opening, isNew: bool = True) -> None:
        """
        Add an opening, or give it another deadline.

        @param isNew: whether it was granted anew: if it is for one connection, it is not used then.
        @raise FirewallError: the kernel refused; L{GuardGone} if the guard is not there.
        """
        name, element = setName(opening), self.makeElement(opening)
        if opening.door.once and isNew:
            with suppress(GuardGone):  # the last one was not used
                self._kernel.transact(renewElement(TABLE, name, element, setOf(opening).used))
                return
        self._kernel.transact(addElements(TABLE, name, [element]))

    def remove(self, openings: Iterable[Opening]) -> None:
        """
        Remove openings, all in one transaction if they are not too many for a message; if the guard
        is gone, so are they.

        @raise FirewallError: the kernel refused.
        """
        keys: dict[OpeningSet, list[bytes]] = {}
        for opening in openings:
            keys.setdefault(setOf(opening), []).append(openingKey(opening.source))
        for portion in splitPortions((found, key) for found in keys for key in keys[found]):
            self._removeTogether(portion)

    def _removeTogether(self, keyed: Iterable[tuple[OpeningSet, bytes]]) -> None:
        gone: dict[str, list[bytes]] = {}
        used: dict[str, list[bytes]] = {}
        for found, key in keyed:
            gone.setdefault(found.name, []).append(key)
            if found.isOnce:
                used.setdefault(found.used, []).append(key)
        try:
            self._kernel.transact(removeFromSets(TABLE, gone))
        except GuardGone:  # or just the sets of one of the doors
            for name, keys in gone.items() if len(gone) > 1 else ():
                with suppress(GuardGone):
                    self._kernel.transact(removeElements(TABLE, name, keys))
        for name, keys in used.items():  # only now: without its mark, it would be unused again
            with suppress(GuardGone):
                self._dropMarks(name, keys)

    def _dropMarks(self, name: str, keys: list[bytes]) -> None:
        """Remove those of these keys that a set of used openings has."""
        marked = [key for key in keys if len(keys) == 1 or key in self.findKeys(name, keys)]
        if marked:
            self._kernel.transact(swapElements(TABLE, name, marked, ()))

    def makeElement(self, opening: Opening) -> Element:
        """Return the element for an opening, with the time that it has left now."""
        return openingElement(opening, opening.deadline - self._seconds(), self._bootClock())

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

    def writeOpenings(self, guard: Guard, openings: Iterable[Opening], table: str) -> None:
        """Put exactly these openings into the kernel. Only what differs is written."""
        wanted: dict[str, dict[bytes, Element]] = {
            found.name: {} for door in guard.doors for found in openingSets(door, guard.networks)
        }
        for opening in openings:
            element = self.makeElement(opening)
            wanted[setName(opening)][element.key] = element
        for name, elements in wanted.items():
            present = {element.key: element for element in self.listElements(name, table)}
            self._remove(table, name, present.keys() - elements.keys())
            changed = [
                element for key, element in elements.items() if differs(element, present.get(key))
            ]
            for portion in splitPortions(changed):
                self._kernel.transact(addElements(table, name, portion))
        for door in guard.doors:
            for found in openingSets(door, guard.networks) if door.once else ():
                gone = self.listKeys(found.used, table) - wanted[found.name].keys()
                for keys in splitPortions(gone):
                    self._kernel.transact(swapElements(table, found.used, keys, ()))

    def writeFlows(self, doors: Iterable[Door], books: Books, table: str) -> None:
        """Add the flows that have time left; those that are there already keep their time."""
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

    def removeCutSessions(self, doors: Iterable[Door], table: str) -> None:
        """Remove the sessions of doors that cut sessions now, but may have kept them before."""
        cut = [ports for door in doors if door.cutSessions for ports in door.ports]
        for version in (4, 6) if cut else ():
            name = f"sessions{version}"
            flows = [parseFlow("tcp", element.key) for element in self.listElements(name, table)]
            self._remove(table, name, [flow.key for flow in flows if isOn(cut, "tcp", flow.port)])

    def _remove(self, table: str, name: str, keys: Iterable[bytes]) -> None:
        for portion in splitPortions(keys):
            self._kernel.transact(removeElements(table, name, portion))
