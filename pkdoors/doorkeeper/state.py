"""How things stand, for people and programs: a pure function of the doorkeeper's state."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pkdoors.events.event import isoTime
from pkdoors.model.doors import Door, Opening


@dataclass(frozen=True, slots=True)
class OpeningStatus:
    """
    How things stand with one opening.

    @ivar opening: as it is wanted.
    @ivar granted: the deadline that the firewall has, 0 where it has none.
    @ivar trouble: what the firewall refuses; empty where it refuses nothing.
    """

    opening: Opening
    granted: float
    trouble: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The doorkeeper's state at one moment.

    @ivar seconds: on the doorkeeper's clock.
    @ivar time: the time of day, in seconds since 1970.
    @ivar standings: of all openings.
    @ivar sources: for each door, how many knockers it remembers.
    """

    seconds: float
    time: float
    doors: tuple[Door, ...]
    standings: tuple[OpeningStatus, ...]
    sources: Mapping[str, int]


def doorsOf(state: Snapshot) -> list[dict[str, Any]]:
    """
    The doors, without their secrets.

    ::

        {"name": "ssh", "ports": ["22/tcp"], "lock": "sealed", "open_for": 30.0,
         "max_open_for": 3600.0, "sessions": "keep", "udp_idle": 180.0, "udp_max": 43200.0,
         "openings": 1, "sources": 0}
    """
    openings = Counter(each.opening.door.name for each in state.standings)
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
    The openings, those that end first first; made as they are taken, for there may be very many.

    @param door: only those of this one; empty for all.
    """
    chosen = [each for each in state.standings if door in ("", each.opening.door.name)]
    chosen.sort(key=lambda each: each.opening.deadline)
    return (openingOf(each, state.seconds, state.time) for each in chosen)


def openingOf(standing: OpeningStatus, seconds: float, time: float) -> dict[str, Any]:
    """
    One opening.

    ::

        {"door": "ssh", "source": "192.0.2.7", "ports": ["22/tcp"], "open": true,
         "until": "2026-11-23T08:00:30.000Z", "seconds_left": 12.3, "user": "anna@laptop",
         "key": "SHA256:...", "trouble": ""}

    @param seconds: now, on the doorkeeper's clock.
    @param time: the time of day then.
    """
    opening = standing.opening
    left = max(0.0, opening.deadline - seconds)
    return {
        "door": opening.door.name,
        "source": str(opening.source),
        "ports": [str(ports) for ports in opening.door.ports],
        "open": standing.granted > seconds,
        "until": isoTime(time + left),
        "seconds_left": round(left, 3),
        "user": opening.who.name,
        "key": opening.who.key,
        "trouble": standing.trouble,
    }
