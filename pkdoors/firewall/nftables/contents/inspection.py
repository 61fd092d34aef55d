"""Finds out how the kernel differs from what should be there."""

from collections.abc import Sequence
from dataclasses import dataclass

from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingkeys import listKeys
from pkdoors.firewall.guard.sets import listOpeningSets, setsFor
from pkdoors.firewall.netlink.dump import askElements, readElements
from pkdoors.firewall.netlink.messages import Element
from pkdoors.firewall.nftables.contents.openingwriter import OpeningWriter
from pkdoors.firewall.openings.elements import differs
from pkdoors.model.doors import Opening

LOOKS = 3
"""How often a set is listed if changes interrupt that: what one look misses, another one sees."""

Keyed = list[tuple[str, bytes]]
"""The names of sets, each with a key."""


@dataclass(frozen=True, slots=True)
class Damage:
    """
    @ivar strange: elements that no opening has.
    @ivar marks: marks of used openings that do not exist.
    @ivar openings: openings that are missing, or have another deadline or principal.
    @ivar flows: flows that are missing.
    @ivar fresh: elements of openings that were opened since; more are added.
    """

    strange: Keyed
    marks: Keyed
    openings: list[Opening]
    flows: Books
    fresh: set[tuple[str, bytes]]


class GuardInspector(OpeningWriter):
    """
    Compares very many openings with the kernel, in a thread with a connection of its own. Others
    change the sets meanwhile, so what it finds must be looked at again.
    """

    def listElements(self, name: str, table: str = TABLE) -> list[Element]:
        """See L{GuardReader.listElements}. Openings are opened meanwhile, and interrupt it."""
        found: dict[bytes, Element] = {}
        for _ in range(LOOKS):
            answer, isWhole = self._kernel.tryDump(askElements(table, name))
            found.update((each.key, each) for each in readElements(answer))
            if isWhole:
                break
        return [*found.values()]

    def inspect(
        self,
        guard: Guard,
        openings: Sequence[Opening],
        flows: Books,
        fresh: set[tuple[str, bytes]],
    ) -> Damage:
        """
        Return what is wrong.

        @param openings: all that should be there.
        @param flows: those that should be there, perhaps with others.
        @param fresh: see L{Damage}.
        """
        wanted = self._makeElements(openings, now=0.0)  # so their timeouts are their deadlines
        strange: Keyed = []
        wrong: set[tuple[str, bytes]] = set()
        for name in listOpeningSets(guard.doors, guard.networks):
            now, elements = round(1000 * self._seconds()), wanted.get(name, {})
            there = {
                each.key: each._replace(expires=each.expires + now)
                for each in self.listElements(name)
            }
            strange += [(name, key) for key in there.keys() - elements.keys()]
            wrong |= {
                (name, key) for key, each in elements.items() if differs(each, there.get(key))
            }
        marks = [
            (once.used, key)
            for once in self._onceSets(guard)
            for key in self.listKeys(once.used) - wanted.get(once.name, {}).keys()
        ]
        found = [each for each in openings if wrong and _hasAny(each, wrong)]
        return Damage(strange, marks, found, self._findMissing(guard, flows), fresh)

    def _findMissing(self, guard: Guard, flows: Books) -> Books:
        """Return those of some flows that the kernel does not remember."""
        found = {}
        for name in setsFor(guard.doors).keys() & flows.keys():
            present = self.listKeys(name) if flows[name] else set()
            found[name] = {key: end for key, end in flows[name].items() if key not in present}
        return {name: missing for name, missing in found.items() if missing}


def _hasAny(opening: Opening, keys: set[tuple[str, bytes]]) -> bool:
    """Return whether an opening has any of these elements."""
    key, lookups = listKeys(opening)
    return key in keys or not keys.isdisjoint(lookups)
