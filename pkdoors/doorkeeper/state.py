"""The doorkeeper's state at one moment, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pkdoors.model.doors import Door, Opening


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The doorkeeper's state at one moment.

    @ivar seconds: the time on the doorkeeper's clock.
    @ivar time: the time of day, in seconds since 1970.
    @ivar statuses: the status of each opening, or of each that was asked for.
    @ivar sources: the number of knockers that each door's lock remembers.
    """

    seconds: float
    time: float
    doors: tuple[Door, ...]
    statuses: tuple[OpeningStatus, ...]
    sources: Mapping[str, int]
