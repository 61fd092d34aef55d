"""What becomes of openings when the configuration changes."""

from collections.abc import Callable, Iterable

from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.lives import Each, Lives
from pkdoors.model.doors import Door, Opening, carryOver
from pkdoors.util.turns import Turns

MOVED_AT_ONCE = 50
"""Openings that get a new door in one slice of work: a millisecond."""
FEW = 25
"""Openings that end one by one, because that takes no longer than one turn."""
GONE = "because the new configuration has no such door"


class Carrying:
    """
    One change of the doors.

    @param now: the time of the change: an opening gets the same deadline in the firewall and here,
        whenever its turn comes.
    """

    def __init__(self, doors: Iterable[Door], now: float) -> None:
        self._doors = {door.name: door for door in doors}
        self._now = now

    def carryOver(self, lives: Lives) -> Iterable[Opening]:
        """
        Return the wanted openings whose door still exists with the same ports, unless they would
        let in more connections than they were granted for. Each is looked at when its turn comes.
        """
        return Each(lambda: (found for life in lives if (found := self._carry(life)) is not None))

    async def move(
        self,
        lives: Lives,
        slices: Turns,
        turns: Turns,
        finish: Callable[[OpeningLife, str], None],
    ) -> None:
        """
        Make the openings that L{carryOver} yields openings of the new doors, and end all others.

        @param slices: when the next openings may be moved.
        @param turns: when the next one may end.
        @param finish: ends, for a reason, an opening that the guard has closed already.
        """
        ended = 0
        for number, life in enumerate(lives):
            if number % MOVED_AT_ONCE == 0:
                await slices.next()
            if not lives.has(life):
                continue
            carried = self._carry(life)
            if carried is not None:
                life.move(carried.door, carried.deadline)
            elif self.isOver(life):
                ended += 1
                if ended > FEW and life.isAtRest():
                    finish(life, GONE)
                    continue
                await turns.next()
                if lives.has(life) and self._carry(life) is None:  # much may happen meanwhile
                    life.end(GONE)

    def isOver(self, life: OpeningLife) -> bool:
        """Return whether an opening exists that does not go on, as its turn to end comes later."""
        return self._carry(life) is None and (life.isWanted() or life.isUsed)

    def _carry(self, life: OpeningLife) -> Opening | None:
        if not life.isWanted():
            return None
        return carryOver(life.opening, self._doors.get(life.opening.door.name), self._now)
