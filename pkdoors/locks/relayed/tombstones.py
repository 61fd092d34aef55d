"""
What was closed: seals that were made before open nothing, however often they come back. Pure.

A seal that a fleet passes on can arrive late, and again and again. So whoever closes leaves a
tombstone.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pkdoors.locks.relayed._moments import Moment
from pkdoors.locks.relayed._plot import Plot
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.locks.sealed.replays import ClosedNote, FloorNote, Notes
from pkdoors.model.sources import Source

MAX_TOMBSTONES = 4096
"""Tombstones that are remembered, about 3 MB. If there are more, the key with the most gives way:
its oldest ones are forgotten, and from then on all its seals that are as old are refused. So nobody
can undo a closing by many others, or spoil the seals of another key. All that no key made counts as
one: what operators close."""

PART = 8
"""The part of a key's tombstones that is forgotten at once, so that the others are not sorted again
for each new one."""

_CLOSED = "somebody has closed the door since this knock was made: knock again"
_FORGOTTEN = (
    "it is older than what this host remembers of closings, so it may have been closed: knock again"
)


class Tombstone(NamedTuple):
    """
    One closing. L{ALL} stands for all doors, all sources and all keys.

    @ivar source: an address or a network, as text.
    @ivar key: the fingerprint of the key whose seals are worthless.
    @ivar isOwn: whether this host's clock made the time, and not a signature.
    """

    door: str
    source: str
    key: str
    isOwn: bool


_Plots = dict[tuple[str, bool], Plot]
"""The closings of one key, by door and whether they are this host's own."""


class Tombstones:
    """
    Remembers closings.

    @param note: called with each new one, before it counts, to leave a note to the next daemon.
    """

    def __init__(self, note: Callable[[ClosedNote], None] = lambda note: None) -> None:
        self._note = note
        self._plots: dict[str, _Plots] = {}  # by key
        self._counts: Counter[str] = Counter()  # by key
        self._count = 0
        self._floors: dict[tuple[str, bool], Moment] = {}  # by key and whether it is own

    def __len__(self) -> int:
        """Return how many closings are remembered."""
        return self._count

    def add(
        self, door: str, source: Source | None, key: str, stamp: int, now: float, today: float
    ) -> bool:
        """
        Note a closing that somebody has signed. Return whether it is new.

        @param door: its name, or L{ALL}.
        @param source: L{None} for all.
        @param key: a fingerprint, or L{ALL}.
        @param stamp: when, in milliseconds since 1970.
        """
        text = ALL if source is None else str(source)
        return self._add(Tombstone(door, text, key, isOwn=False), Moment(stamp), now, today)

    def addOwn(self, door: str, source: Source | None, now: float, today: float) -> None:
        """Note that this host's operator has just closed a door; see L{add}."""
        text = ALL if source is None else str(source)
        self._add(Tombstone(door, text, ALL, isOwn=True), Moment.own(now), now, today)

    def distrust(self, since: float) -> None:
        """
        Refuse all seals that were made before some time, because what was closed is not known.

        @param since: that time, on the clock that does not jump.
        """
        self._raiseFloor((ALL, True), Moment.own(since))

    def findRefusal(
        self,
        door: str,
        source: Source,
        key: str,
        stamp: int,
        now: float,
        today: float,
        heard: float | None = None,
    ) -> str:
        """
        Return why a seal opens nothing, because it was closed after it was made; empty if it was
        not. If the sender's clock is ahead, others may have closed between the moment in which the
        seal was heard and its stamp. The key itself has the same clock.

        @param source: the address or the network that it would open for.
        @param key: the fingerprint of its key.
        @param heard: when it was heard before, on the clock that does not jump; L{None} if it is a
            new one.
        """
        began = stamp if heard is None else min(stamp, Moment.own(heard).read(now, today))
        found = [
            self._find(door, source, name, moment, now, today)
            for name, moment in ((key, stamp), (ALL, began))
        ]
        return found[0] or found[1]

    def _find(
        self, door: str, source: Source, key: str, moment: float, now: float, today: float
    ) -> str:
        """Return what closings with just this key mean for a seal of some moment."""
        for isOwn in (False, True):
            floor = self._floors.get((key, isOwn))
            if floor is not None and moment <= floor.read(now, today):
                return _FORGOTTEN
            for place in (door, ALL):
                plot = self._findPlot(place, key, isOwn)
                if plot is not None and any(
                    moment <= closed.read(now, today) for closed in plot.findOverlapping(source)
                ):
                    return _CLOSED
        return ""

    def learn(self, notes: Notes, now: float, today: float, skew: float, isSameBoot: bool) -> None:
        """
        Take over the notes of an earlier daemon.

        @param skew: how many seconds a floor may be ahead. After a boot, no closing of this host's
            own can be later than this moment, whatever its clock has said.
        @param isSameBoot: whether the clock that does not jump is still the same.
        """

        def readMoment(note: ClosedNote | FloorNote, latest: float) -> Moment:
            if note.at is None:
                return Moment(note.stamp)
            return Moment.own(min(note.at, latest)) if isSameBoot else Moment(note.stamp, latest)

        for floor in notes.floors:
            name = floor.key, floor.at is not None
            self._raiseFloor(name, readMoment(floor, now + skew))
        for closed in notes.closed:
            stone = Tombstone(closed.door, closed.source, closed.key, closed.at is not None)
            self._put(stone, readMoment(closed, now), now, today)

    def makeNotes(self, now: float, today: float) -> Notes:
        """Return all that the next daemon must know."""
        closed = [
            _makeNote(Tombstone(door, source, key, isOwn), moment, now, today)
            for key, plots in self._plots.items()
            for (door, isOwn), plot in plots.items()
            for source, moment in plot.moments.items()
        ]
        floors = [
            FloorNote(key, _readStamp(moment, now, today), moment.at)
            for (key, _), moment in self._floors.items()
        ]
        return Notes(closed=closed, floors=floors)

    def hasOwn(self) -> bool:
        """Return whether any time depends on this host's clock."""
        places = (place for plots in self._plots.values() for place in plots)
        return any(isOwn for _, isOwn in (*places, *self._floors))

    def _findPlot(self, door: str, key: str, isOwn: bool) -> Plot | None:
        plots = self._plots.get(key)
        return None if plots is None else plots.get((door, isOwn))

    def _add(self, stone: Tombstone, moment: Moment, now: float, today: float) -> bool:
        plot = self._findPlot(stone.door, stone.key, stone.isOwn)
        before = plot.moments.get(stone.source) if plot else None
        if moment.join(before) == before:
            return False
        self._note(_makeNote(stone, moment, now, today))
        self._put(stone, moment, now, today)
        return True

    def _put(self, stone: Tombstone, moment: Moment, now: float, today: float) -> None:
        plots = self._plots.setdefault(stone.key, {})
        plot = plots.setdefault((stone.door, stone.isOwn), Plot())
        before = plot.moments.get(stone.source)
        if before is None:
            self._counts[stone.key] += 1
            self._count += 1
        plot.put(stone.source, moment.join(before))
        if self._count > MAX_TOMBSTONES:
            self._forgetOldest(now, today)

    def _forgetOldest(self, now: float, today: float) -> None:
        """Forget the oldest closings of the key with the most, and refuse what they have closed."""
        key = max(self._counts, key=self._counts.__getitem__)
        found = sorted(
            (moment.read(now, today), place, source)
            for place, plot in self._plots[key].items()
            for source, moment in plot.moments.items()
        )
        for _, place, source in found[: max(1, len(found) // PART)]:
            self._forget(key, place, source)

    def _forget(self, key: str, place: tuple[str, bool], source: str) -> None:
        plots = self._plots[key]
        plot = plots[place]
        self._raiseFloor((key, place[1]), plot.pop(source))
        if not plot.moments:
            del plots[place]
        self._count -= 1
        self._counts[key] -= 1
        if not plots:
            del self._plots[key], self._counts[key]

    def _raiseFloor(self, name: tuple[str, bool], moment: Moment) -> None:
        self._floors[name] = moment.join(self._floors.get(name))
        if len(self._floors) > MAX_TOMBSTONES:  # over the years, many keys come and go
            others = [each for each in self._floors if each[0] != ALL]
            key = min(others, key=lambda each: self._floors[each].stamp)
            self._raiseFloor((ALL, key[1]), self._floors.pop(key))


def _makeNote(stone: Tombstone, moment: Moment, now: float, today: float) -> ClosedNote:
    stamp = _readStamp(moment, now, today)
    return ClosedNote(stone.door, stone.source, stone.key, stamp, moment.at)


def _readStamp(moment: Moment, now: float, today: float) -> int:
    return max(0, int(moment.read(now, today)))
