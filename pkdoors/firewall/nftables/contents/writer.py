"""Writes what the rules look up into the guard's table, and the flows that go on."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from socket import AF_INET, AF_INET6

from pkdoors.firewall.guard.flowbooks import Books, findCut, findMoved, isUdpFlows
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.layout import Change, Layout, Present, isInterval
from pkdoors.firewall.guard.sets import COMPLETE, setsFor
from pkdoors.firewall.netlink.kernel import SetFull
from pkdoors.firewall.netlink.messages import PORTION, Element, splitPortions
from pkdoors.firewall.netlink.setchanges import (
    addElements,
    changeElements,
    removeElements,
    splitRange,
    swapElements,
)
from pkdoors.firewall.nftables.contents.openingwriter import OpeningWriter
from pkdoors.model.doors import Door


class GuardWriter(OpeningWriter):
    """
    Adds and removes ports, ways and flows. All methods that write raise a C{FirewallError} if the
    kernel refuses.
    """

    def markComplete(self, table: str = TABLE) -> None:
        """Hear that all openings are there: sessions of others can be cut off."""
        keys = {bytes([family]) for family in (AF_INET, AF_INET6)}
        if not keys <= self.listKeys(COMPLETE, table):
            self._kernel.transact(addElements(table, COMPLETE, map(Element, sorted(keys))))

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

    def writeWayElements(self, guard: Guard, table: str = TABLE) -> None:
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
