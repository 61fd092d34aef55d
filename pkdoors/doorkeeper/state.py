"""The doorkeeper's state at one moment, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pkdoors.model.doors import Door, Opening


@dataclass(frozen=True, slots=True)
class OpeningStatus:
    """
    The status of one opening.

    @ivar opening: the opening as it is wanted.
    @ivar granted: the deadline that the firewall has; 0 if it has none.
    @ivar trouble: what the firewall refuses; empty if it refuses nothing.
    """

    opening: Opening
    granted: float
    trouble: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The doorkeeper's state at one moment.

    @ivar seconds: the time on the doorkeeper's clock.
    @ivar time: the time of day, in seconds since 1970.
    @ivar openings: the status of each opening.
    @ivar sources: the number of knockers that each door remembers.
    """

    seconds: float
    time: float
    doors: tuple[Door, ...]
    openings: tuple[OpeningStatus, ...]
    sources: Mapping[str, int]
