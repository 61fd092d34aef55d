"""Finds openings for whoever asks, some in each turn of the reactor."""

from collections.abc import AsyncIterator, Callable, Iterable

from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.lives import Lives
from pkdoors.doorkeeper.openings.state import FIRST, OpeningStatus, Page, Selection
from pkdoors.doorkeeper.openings.uses import UseWatch
from pkdoors.model.doors import Door
from pkdoors.model.sources import isWithin
from pkdoors.util.turns import Turns

SLICE = 500
"""Openings that are looked at in one turn: about a millisecond."""


class Selector:
    """
    @param uses: looks whether openings for one connection are used.
    @param doors: returns the doors.
    """

    def __init__(
        self, lives: Lives, uses: UseWatch, turns: Turns, doors: Callable[[], Iterable[Door]]
    ) -> None:
        self._lives = lives
        self._uses = uses
        self._turns = turns
        self._doors = doors

    async def select(self, selection: Selection) -> Page:
        """
        Return a page of openings. They are looked at in turns, so one that begins, ends or moves
        meanwhile may be on no page, or on two.
        """
        found: list[OpeningLife] = []
        total, hasMore = 0, False
        known = self._count(selection)
        async for some in self._slices(selection, FIRST if known is None else selection.after):
            for life in some:
                if not _fits(life, selection) or self._lives.isConcealed(life):
                    continue
                total += 1
                if life.place > selection.after:
                    hasMore = len(found) == selection.limit
                    if not hasMore:
                        found.append(life)
            if hasMore and known is not None:
                break
        place = found[-1].place if found and hasMore else None
        statuses = await self._describe(found)
        return Page(statuses, total if known is None else known, place)

    async def _slices(
        self, selection: Selection, after: tuple[float, int]
    ) -> AsyncIterator[list[OpeningLife]]:
        if selection.source is not None:
            names = [door.name for door in self._doors()]
            found = (self._lives.lettingIn(name, selection.source) for name in names)
            yield sorted((life for some in found for life in some), key=lambda life: life.place)
            return
        await self._turns.next()
        while some := self._lives.deadlines.after(after, SLICE):
            after = some[-1].place
            yield some
            if len(some) == SLICE:
                await self._turns.next()

    def _count(self, selection: Selection) -> int | None:
        """Return how many openings a selection has; L{None} if that needs a look at each."""
        if selection.source is not None or selection.within is not None:
            return None
        return self._lives.countAll(selection.door) if selection.door else self._lives.countShown()

    async def _describe(self, found: list[OpeningLife]) -> list[OpeningStatus]:
        statuses = []
        for first in range(0, len(found), SLICE):
            some = found[first : first + SLICE]
            await self._turns.next()
            await self._uses.lookAt(some)
            statuses += [life.status() for life in some if self._lives.has(life)]
        return statuses


def _fits(life: OpeningLife, selection: Selection) -> bool:
    opening = life.opening
    return selection.door in ("", opening.door.name) and (
        selection.within is None or isWithin(opening.source, selection.within)
    )
