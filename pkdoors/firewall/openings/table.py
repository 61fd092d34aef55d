"""The openings that the kernel has, by source."""

from collections.abc import Iterable, Iterator

from pkdoors.firewall.guard.openingkeys import lookupKeys, openingKey
from pkdoors.model.doors import Opening
from pkdoors.model.sources import Source


class OpeningTable:
    """
    Finds all openings for one source: where several doors are open for a client at one port, the
    kernel has one element for all of them.
    """

    def __init__(self, openings: Iterable[Opening] = ()) -> None:
        self._bySource: dict[Source, dict[str, Opening]] = {}
        for opening in openings:
            self.add(opening)

    def __iter__(self) -> Iterator[Opening]:
        return (each for found in self._bySource.values() for each in found.values())

    def add(self, opening: Opening) -> None:
        """Add an opening; it replaces one of the same door for the same source."""
        self._bySource.setdefault(opening.source, {})[opening.door.name] = opening

    def remove(self, opening: Opening) -> None:
        """Remove an opening, if it is there."""
        found = self._bySource.get(opening.source, {})
        found.pop(opening.door.name, None)
        if not found:
            self._bySource.pop(opening.source, None)

    def get(self, opening: Opening) -> Opening | None:
        """Return the opening of the same door for the same source; L{None} if there is none."""
        return self._bySource.get(opening.source, {}).get(opening.door.name)

    def has(self, opening: Opening) -> bool:
        """Return whether the kernel has what a request was granted."""
        found = self.get(opening)
        return found is not None and found.grant == opening.grant

    def hasSource(self, source: Source) -> bool:
        """Return whether there is any opening for a source."""
        return source in self._bySource

    def others(self, opening: Opening) -> list[Opening]:
        """Return the openings of other doors for the same source."""
        found = self._bySource.get(opening.source, {})
        return [each for name, each in found.items() if name != opening.door.name]

    def keys(self, after: float = float("-inf")) -> set[tuple[str, bytes]]:
        """
        Return the sets and the keys of openings whose deadline is after a time, with those in which
        packets are looked up.
        """
        return {
            key
            for opening in self
            if opening.deadline > after
            for key in (openingKey(opening), *lookupKeys(opening))
        }

    def compare(self, wanted: Iterable[Opening]) -> tuple[list[Opening], list[Opening]]:
        """Return the openings that must go, and those that are missing or out of date."""
        present = {openingKey(each): each for each in self}
        new = {openingKey(each): each for each in wanted}
        gone = [each for key, each in present.items() if key not in new]
        return gone, [
            each
            for key, each in new.items()
            if key not in present
            or (present[key].deadline, present[key].who) != (each.deadline, each.who)
        ]
