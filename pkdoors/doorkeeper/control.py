"""Opens and closes doors by name, for whoever runs the daemon: the operator, or a program."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.openings.selecting import SLICE
from pkdoors.doorkeeper.openings.settling import Closing
from pkdoors.doorkeeper.openings.state import (
    FIRST,
    OpeningStatus,
    Page,
    Selection,
    Snapshot,
    parseCursor,
)
from pkdoors.errors import BadValue, FirewallError, NotFound
from pkdoors.host.clientaddress import findUseless
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door, Opening
from pkdoors.model.principal import OPERATOR
from pkdoors.model.sources import lengthOf, parseSource
from pkdoors.util.durations import formatDuration
from pkdoors.util.turns import Turns

OPEN_PATIENCE = 5.0
"""Seconds that L{DoorControl.open} waits for the firewall; the daemon itself keeps trying until the
time of the opening is over."""
CLOSE_PATIENCE = 1.5
"""Seconds that L{DoorControl.close} waits for firewalld. The guard has closed by then in any case.
"""
GUARD_PATIENCE = 20.0
"""Seconds that it waits for the guard before; 65,536 openings take one or two."""

MAX_NAMED = 5
"""Openings within a closed network that a sentence names."""


@dataclass(frozen=True, slots=True)
class Closed:
    """
    What was asked to close, as it was before; the openings that would have ended first come first.

    @ivar state: the moment before.
    @ivar closed: what is closed now.
    @ivar closing: what some firewall has not closed yet. The daemon keeps trying.
    @ivar others: which clients still get in through other openings, a sentence each.
    """

    state: Snapshot
    closed: list[OpeningStatus]
    closing: list[OpeningStatus]
    others: tuple[str, ...] = ()


class DoorControl:
    """
    Checks what it is asked for, since somebody typed it. A method that raises an error has changed
    nothing, unless it says otherwise.
    """

    def __init__(self, clock: IReactorTime, keeper: Doorkeeper) -> None:
        self._clock = clock
        self._keeper = keeper

    async def select(
        self,
        door: str = "",
        source: str = "",
        within: str = "",
        after: str = "",
        limit: int | None = None,
    ) -> Page:
        """
        Return openings, sorted by deadline.

        @param door: the name of a door that must exist; empty for any.
        @param source: if given, only openings that let this address or network in.
        @param within: if given, only openings for this network and smaller parts of it.
        @param after: where the page begins: the end of an earlier one, as C{formatCursor} wrote it.
        @param limit: the most openings of the page; L{None} for all.
        @raise NotFound: there is no such door.
        @raise BadValue: something else is not as it should be.
        """
        self._checkDoor(door)
        if source and within:
            raise BadValue("give source or within, not both")
        return await self._keeper.select(
            Selection(
                door,
                parseSource(source) if source else None,
                parseSource(within) if within else None,
                parseCursor(after) if after else FIRST,
                limit,
            )
        )

    async def open(self, source: str, door: str = "", seconds: float = 0.0) -> OpeningStatus:
        """
        Open a door for an address or a network, or move the deadline of its opening.

        @param door: its name; empty for the only door.
        @param seconds: 0 for the door's own time.
        @return: the opening, when every firewall has opened it.
        @raise BadValue: the source is not one that clients can have, the time is longer than the
            door allows, or the door must be named.
        @raise NotFound: there is no such door.
        @raise FirewallError: the firewall refuses, or does not answer; the daemon keeps trying
            until the time is over. Or the door has too many openings.
        """
        chosen, wanted = self._chooseDoor(door), parseSource(source)
        if reason := findUseless(wanted):
            raise BadValue(reason)
        if seconds > chosen.maxOpenFor:
            raise BadValue(
                f"door {chosen} opens for {formatDuration(chosen.maxOpenFor)} at most: "
                "ask for less, or raise its max_open_for and reload"
            )
        settled = self._keeper.open(Request(chosen, str(wanted), seconds, who=OPERATOR))
        await self._wait(settled, OPEN_PATIENCE)
        status, now = self._keeper.status(chosen.name, wanted), self._clock.seconds()
        if status is None or status.opening.deadline <= now:
            raise FirewallError("it was closed meanwhile")
        if not status.isOpenAt(now):
            raise FirewallError(
                status.trouble or "the firewall does not answer; see the daemon's log"
            )
        return status

    async def close(self, door: str = "", source: str = "") -> Closed:
        """
        Close the openings of a door, for an address or a network; of all doors, or for all, if that
        is empty. What other hosts of a fleet heard before opens nothing afterwards, even if nothing
        is open yet.

        @raise NotFound: there is no such door, or nothing is open for just this source.
        @raise BadValue: that is neither an address nor a network.
        """
        self._checkDoor(door)
        wanted = parseSource(source) if source else None
        # This comes first: a seal from before can arrive while we look at the openings, or later.
        self._keeper.onClose(door, source)
        page, state = await self.select(door, source), self._keeper.state()
        statuses = page.statuses
        if wanted is not None:
            wider = [status for status in statuses if wanted != status.opening.source]
            statuses = [status for status in statuses if wanted == status.opening.source]
            if not statuses:
                prefix = f"door {door}: " if door else ""
                raise NotFound(f"{prefix}nothing is open for {wanted}{_explainWider(wider)}")
        closing = self._keeper.close((status.opening.key for status in statuses), OPERATOR)
        await self._wait(closing.asked, GUARD_PATIENCE)
        await self._wait(closing.done, CLOSE_PATIENCE)
        closed, left = await self._split(statuses, closing)
        others = self._explainOthers(status.opening for status in statuses) if source else ()
        return Closed(state, closed, left, tuple(others))

    async def _split(
        self, statuses: Sequence[OpeningStatus], closing: Closing
    ) -> tuple[list[OpeningStatus], list[OpeningStatus]]:
        """Return the openings that are closed, and the others, for which nobody waits any more."""
        asked, left = [*statuses[: closing.count]], frozenset(closing.left)
        if not left:
            return asked, [*statuses[closing.count :]]
        found: dict[bool, list[OpeningStatus]] = {False: [], True: []}
        turns = Turns(self._clock, 1)
        for number, status in enumerate(asked):
            if number % SLICE == SLICE - 1:
                await turns.next()
            isLeft = status.opening.key in left
            found[isLeft].append(status)
            if isLeft:
                closing.forget(status.opening.key)
        return found[False], [*found[True], *statuses[closing.count :]]

    def _explainOthers(self, closed: Iterable[Opening]) -> Iterator[str]:
        """Yield sentences about what still lets in clients for whom something was closed."""
        for opening in closed:
            others = self._keeper.overlapping(opening)
            length = lengthOf(opening.source)
            wider = [str(other) for other in others if lengthOf(other) < length]
            smaller = [str(other) for other in others if lengthOf(other) > length]
            if wider:
                found = f"it is open for {' and '.join(wider)}"
                yield f"door {opening.door} still lets {opening.source} in: {found}"
            if smaller:
                dots = ", ..." if len(smaller) > MAX_NAMED else ""
                named = f"{', '.join(smaller[:MAX_NAMED])}{dots}"
                yield (
                    f"door {opening.door} still lets in a part of {opening.source}: "
                    f"it is open for {named}"
                )

    def _checkDoor(self, name: str) -> None:
        names = [door.name for door in self._keeper.doors]
        if name and name not in names:
            raise NotFound(f"there is no door {name!r}: the doors are {', '.join(names)}")

    def _chooseDoor(self, name: str) -> Door:
        self._checkDoor(name)
        doors = {door.name: door for door in self._keeper.doors}
        if not name and len(doors) > 1:
            raise BadValue(f"there are {len(doors)} doors: name one of {', '.join(doors)}")
        return doors[name] if name else next(iter(doors.values()))

    async def _wait(self, awaited: Deferred[None], seconds: float) -> None:
        try:
            await awaited.addTimeout(seconds, self._clock)
        except TimeoutError:
            pass


def _explainWider(wider: list[OpeningStatus]) -> str:
    """Return the end of a refusal to close: which networks let the address in."""
    if not wider:
        return ""
    found = " and ".join(f"door {s.opening.door} for {s.opening.source}" for s in wider)
    return f" by itself: a network that contains it lets it in ({found}), so close that network"
