"""The lives of all openings, found by their door and source."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime

from pkdoors.doorkeeper.openings._deadlines import Deadlines
from pkdoors.doorkeeper.openings._work import OpeningWork
from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.settling import Key, Waiters
from pkdoors.doorkeeper.openings.state import Count
from pkdoors.model.doors import Opening
from pkdoors.model.sources import Source, SourceSet

_NOBODY = SourceSet()


class Each(Iterable[Opening]):
    """
    Openings that are looked at again each time.

    @param look: returns them.
    """

    def __init__(self, look: Callable[[], Iterator[Opening]]) -> None:
        self._look = look

    def __iter__(self) -> Iterator[Opening]:
        """Look at them now."""
        return self._look()


class Lives:
    """
    The openings that exist, or are still closing.

    @param onEnded: called with the door and the owner of each opening that has ended.
    @ivar deadlines: all lives in the order of their deadlines.
    @ivar settled: the callers that wait until an opening is as it is wanted.
    @ivar closed: the callers that wait until an opening is closed.
    """

    def __init__(self, clock: IReactorTime, onEnded: Callable[[str, str], object]) -> None:
        self._onEnded = onEnded
        self.deadlines = Deadlines[OpeningLife](clock)
        self.settled, self.closed = Waiters(), Waiters()
        self._lives: dict[Key, OpeningLife] = {}
        self._sources: defaultdict[str, SourceSet] = defaultdict(SourceSet)
        self._once: dict[Key, OpeningLife] = {}  # those for one connection
        self._used: defaultdict[str, SourceSet] = defaultdict(SourceSet)
        self._concealed: defaultdict[str, SourceSet] = defaultdict(SourceSet)

    def __contains__(self, key: object) -> bool:
        """Return whether there is such an opening."""
        return key in self._lives

    def __getitem__(self, key: Key) -> OpeningLife:
        """Return the life of an opening, which must exist."""
        return self._lives[key]

    def __iter__(self) -> Iterator[OpeningLife]:
        """Iterate over all lives as they are now; they may end meanwhile."""
        return iter([*self._lives.values()])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._lives)

    def get(self, key: Key) -> OpeningLife | None:
        """Return the life of an opening; L{None} if there is none."""
        return self._lives.get(key)

    def add(self, life: OpeningLife) -> None:
        """Add the life of a new opening."""
        door, source = key = life.opening.key
        self._lives[key] = life
        self._sources[door].add(source)
        if life.opening.door.once:
            self._once[key] = life
        self.deadlines.add(life, life.opening.deadline)

    def has(self, life: OpeningLife) -> bool:
        """Return whether a life goes on."""
        return self._lives.get(life.opening.key) is life

    def countAll(self, door: str) -> int:
        """Return how many openings of a door are shown, used ones included."""
        return len(self._sources.get(door, _NOBODY)) - len(self._concealed.get(door, _NOBODY))

    def countShown(self) -> int:
        """Return how many openings of all doors are shown."""
        return len(self._lives) - sum(map(len, self._concealed.values()))

    def isConcealed(self, life: OpeningLife) -> bool:
        """Return whether an opening is not shown."""
        return life.isShut() and life.opening.source in self._concealed.get(
            life.opening.door.name, _NOBODY
        )

    def conceal(self, life: OpeningLife) -> None:
        """Do not show an opening any more: it is closed, and only its line in the log is due."""
        door, source = life.opening.key
        self._concealed[door].add(source)

    def once(self) -> list[OpeningLife]:
        """Return the lives of the openings for one connection."""
        return [*self._once.values()]

    def count(self, door: str) -> Count:
        """Return how many openings a door has, without a search through them."""
        sources = self._sources.get(door, _NOBODY)
        used, concealed = self._used.get(door, _NOBODY), self._concealed.get(door, _NOBODY)
        networks = sources.countNetworks() - used.countNetworks() - concealed.countNetworks()
        return Count(len(sources) - len(used) - len(concealed), networks, len(used))

    def onMoved(self, life: OpeningWork) -> None:
        """See L{pkdoors.doorkeeper.openings._work.Keeper}."""
        opening = life.opening
        if opening.door.once:
            self._once[opening.key] = self._lives[opening.key]
        self.deadlines.move(self._lives[opening.key], opening.deadline)

    def onUsed(self, life: OpeningWork) -> None:
        """See L{pkdoors.doorkeeper.openings._work.Keeper}."""
        door, source = life.opening.key
        if life.isUsed:
            self._used[door].add(source)
        else:
            self._used[door].discard(source)

    def onReopened(self, life: OpeningWork) -> None:
        """See L{pkdoors.doorkeeper.openings._work.Keeper}."""
        door, source = life.opening.key
        if door in self._concealed:
            self._concealed[door].discard(source)
            if not self._concealed[door]:
                del self._concealed[door]

    def onSettled(self, life: OpeningWork, isClosed: bool) -> None:
        """See L{pkdoors.doorkeeper.openings._work.Keeper}."""
        self.settled.notify(life.opening.key)
        if isClosed:
            self.closed.notify(life.opening.key)

    def onOver(self, life: OpeningWork) -> None:
        """See L{pkdoors.doorkeeper.openings._work.Keeper}."""
        door, source = key = life.opening.key
        self.deadlines.remove(self._lives.pop(key))
        self._once.pop(key, None)
        self._used[door].discard(source)
        self.onReopened(life)
        sources = self._sources[door]
        sources.discard(source)
        if not sources:
            del self._sources[door], self._used[door]
        self._onEnded(door, life.owner)
        self.settled.notify(key)

    def leave(self) -> None:
        """Leave all openings to the firewall's own timers."""
        self.deadlines.stop()
        for life in self:
            life.leave()

    def lettingIn(self, door: str, source: Source) -> list[OpeningLife]:
        """Return the lives of a door's openings for a source, and for networks that contain it."""
        sources = self._sources.get(door, _NOBODY)
        return [self._lives[door, found] for found in sources.containing(source)]

    def overlapping(self, door: str, source: Source) -> list[Source]:
        """Return the other sources that a door is open for, and that share addresses with one."""
        sources = self._sources.get(door, _NOBODY)
        found = {*sources.containing(source), *sources.within(source)} - {source}
        return sorted((other for other in found if self._lives[door, other].isWanted()), key=str)

    def wanted(self) -> Iterable[Opening]:
        """
        Return the openings that should exist. Each is looked at when its turn comes: the caller may
        let time pass between some and the next, and may begin again.
        """
        return Each(lambda: (life.opening for life in self if life.isWanted()))

    def granted(self) -> list[Opening]:
        """Return what is open now, each with the deadline that the firewall has."""
        statuses = [life.status() for life in self._lives.values() if life.isGranted()]
        return [replace(status.opening, deadline=status.granted) for status in statuses]
