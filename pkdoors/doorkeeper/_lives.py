"""The lives of all openings, found by their door and source."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from pkdoors.doorkeeper._life import OpeningLife
from pkdoors.doorkeeper._settling import Key
from pkdoors.model.doors import Opening
from pkdoors.model.sources import Source, SourceSet

_NOBODY = SourceSet()


class Lives:
    """
    The openings that exist, or are still closing.
    """

    def __init__(self) -> None:
        self._lives: dict[Key, OpeningLife] = {}
        self._sources: defaultdict[str, SourceSet] = defaultdict(SourceSet)

    def __contains__(self, key: object) -> bool:
        """Return whether there is such an opening."""
        return key in self._lives

    def __getitem__(self, key: Key) -> OpeningLife:
        """Return the life of an opening, which must exist."""
        return self._lives[key]

    def __iter__(self) -> Iterator[OpeningLife]:
        """Iterate over all lives as they are now; they may end meanwhile."""
        return iter([*self._lives.values()])

    def get(self, key: Key) -> OpeningLife | None:
        """Return the life of an opening; L{None} if there is none."""
        return self._lives.get(key)

    def add(self, life: OpeningLife) -> None:
        """Add the life of a new opening."""
        door, source = key = life.opening.key
        self._lives[key] = life
        self._sources[door].add(source)

    def remove(self, key: Key) -> None:
        """Remove a life that has ended."""
        del self._lives[key]
        sources = self._sources[key[0]]
        sources.discard(key[1])
        if not sources:
            del self._sources[key[0]]

    def lettingIn(self, door: str, source: Source) -> list[OpeningLife]:
        """Return the lives of a door's openings for a source, and for networks that contain it."""
        sources = self._sources.get(door, _NOBODY)
        return [self._lives[door, found] for found in sources.containing(source)]

    def overlapping(self, door: str, source: Source) -> list[Source]:
        """Return the other sources that a door is open for, and that share addresses with one."""
        sources = self._sources.get(door, _NOBODY)
        found = {*sources.containing(source), *sources.within(source)} - {source}
        return sorted((other for other in found if self._lives[door, other].isWanted()), key=str)

    def wanted(self) -> list[Opening]:
        """Return the openings that should exist now."""
        return [life.opening for life in self._lives.values() if life.isWanted()]

    def granted(self) -> list[Opening]:
        """Return what is open now, each with the deadline that the firewall has."""
        statuses = [life.status() for life in self._lives.values() if life.isGranted()]
        return [replace(status.opening, deadline=status.granted) for status in statuses]
