"""How things stand with doors and openings, as values and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pkdoors.events.event import formatISOTime
from pkdoors.model.doors import Door, Opening


@dataclass(frozen=True, slots=True)
class OpeningStatus:
    """
    How things stand with one opening.

    @ivar opening: the wanted opening.
    @ivar granted: the deadline that the firewall has; 0 if it has none.
    @ivar trouble: what the firewall refuses; empty if it refuses nothing.
    """

    opening: Opening
    granted: float
    trouble: str

    def isOpenAt(self, seconds: float) -> bool:
        """Return whether the firewall has opened it at a moment for as long as wanted."""
        return seconds < self.granted == self.opening.deadline


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The doorkeeper's state at one moment.

    @ivar seconds: on the doorkeeper's clock.
    @ivar time: the time of day, in seconds since 1970.
    @ivar statuses: of all openings, or of those that were asked for.
    @ivar sources: for each door, how many knockers its lock remembers.
    """

    seconds: float
    time: float
    doors: tuple[Door, ...]
    statuses: tuple[OpeningStatus, ...]
    sources: Mapping[str, int]


def doorsOf(state: Snapshot) -> list[dict[str, Any]]:
    """
    Return the doors as JSON, without their secrets.

    ::

        {"name": "ssh", "ports": ["22/tcp"], "lock": "sealed", "open_for": 30.0,
         "max_open_for": 3600.0, "sessions": "keep", "udp_idle": 180.0, "udp_max": 43200.0,
         "openings": 1, "sources": 0}
    """
    openings = Counter(status.opening.door.name for status in state.statuses)
    return [
        {
            "name": door.name,
            "ports": [str(ports) for ports in door.ports],
            "lock": "sealed" if door.authorizedKeys else "sequence",
            "open_for": door.openFor,
            "max_open_for": door.maxOpenFor,
            "sessions": "cut" if door.cutSessions else "keep",
            "udp_idle": door.udpIdle,
            "udp_max": door.udpMax,
            "openings": openings[door.name],
            "sources": state.sources.get(door.name, 0),
        }
        for door in state.doors
    ]


def openingsOf(state: Snapshot, door: str = "") -> Iterator[dict[str, Any]]:
    """
    Return the openings as JSON, in the order of their ends. Each is made when it is taken: there
    may be very many.

    @param door: the name of the only door to list; empty for all.
    """
    chosen = [status for status in state.statuses if door in ("", status.opening.door.name)]
    chosen.sort(key=lambda status: status.opening.deadline)
    return (openingOf(status, state.seconds, state.time) for status in chosen)


def openingOf(status: OpeningStatus, seconds: float, time: float) -> dict[str, Any]:
    """
    Return one opening as JSON.

    ::

        {"door": "ssh", "source": "192.0.2.7", "ports": ["22/tcp"], "open": true,
         "until": "2026-11-23T08:00:30.000Z", "seconds_left": 12.3, "user": "anna@laptop",
         "key": "SHA256:...", "trouble": ""}

    @param seconds: the moment, on the doorkeeper's clock.
    @param time: the time of day then.
    """
    opening = status.opening
    left = max(0.0, opening.deadline - seconds)
    return {
        "door": opening.door.name,
        "source": str(opening.source),
        "ports": [str(ports) for ports in opening.door.ports],
        "open": status.granted > seconds,
        "until": formatISOTime(time + left),
        "seconds_left": round(left, 3),
        "user": opening.who.name,
        "key": opening.who.key,
        "trouble": status.trouble,
    }
