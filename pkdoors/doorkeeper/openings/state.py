"""The doorkeeper's state at one moment, as values. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import Source

Cursor = tuple[float, int]
"""A place in the order of all openings: the deadline, and a number that no other opening has."""
FIRST: Cursor = -inf, 0
"""The place before all others."""
_CURSOR = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,20})?(?:e-?[0-9]{1,2})?):([0-9]{1,15})")


def formatCursor(place: Cursor | None) -> str:
    """Return a place as a word for L{parseCursor}; empty for L{None}."""
    return f"{place[0]!r}:{place[1]}" if place is not None else ""


def parseCursor(text: str) -> Cursor:
    """
    Read a place.

    @raise BadValue: it is not a place.
    """
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise BadValue(f"{text!r:.100} is not a place: use the `next` of an earlier answer")
    return float(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class OpeningStatus:
    """
    The status of one opening.

    @ivar opening: the wanted opening.
    @ivar granted: the deadline that the firewall has; 0 if it has none.
    @ivar trouble: what the firewall refuses; empty if it refuses nothing.
    @ivar isUsed: whether the one connection that it was for has used it up.
    """

    opening: Opening
    granted: float
    trouble: str
    isUsed: bool = False

    def isOpenAt(self, seconds: float) -> bool:
        """Return whether the firewall has opened it at a moment for as long as wanted."""
        return seconds < self.granted == self.opening.deadline


class Count(NamedTuple):
    """
    How many openings a door has.

    @ivar openings: those that are not used up.
    @ivar networks: how many of these are for networks.
    @ivar used: those that their one connection has used up.
    """

    openings: int
    networks: int
    used: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The doorkeeper's state at one moment, without the openings, of which there may be very many.

    @ivar seconds: the time on the doorkeeper's clock.
    @ivar time: the time of day, in seconds since 1970.
    @ivar counts: the number of openings of each door.
    @ivar sources: the number of knockers that each door's lock remembers.
    """

    seconds: float
    time: float
    doors: tuple[Door, ...]
    counts: Mapping[str, Count]
    sources: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Some of the openings.

    @ivar door: the name of the only door; empty for all.
    @ivar source: if given, only openings that let this address or network in.
    @ivar within: if given, only openings for this network and for smaller parts of it.
    @ivar after: the place after which the page begins.
    @ivar limit: the most openings of the page; L{None} for all.
    """

    door: str = ""
    source: Source | None = None
    within: Source | None = None
    after: Cursor = FIRST
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """
    Openings in the order of their deadlines.

    @ivar statuses: the openings of this page.
    @ivar total: how many openings the selection has, on all pages.
    @ivar next: the place after which the next page begins; L{None} if there is no more.
    """

    statuses: Sequence[OpeningStatus]
    total: int
    next: Cursor | None = None
