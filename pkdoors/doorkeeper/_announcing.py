"""Tells the operator which doors are guarded, and how."""

from collections.abc import Iterable

from twisted.logger import Logger

from pkdoors.events.event import GUARDING
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.doors import Door
from pkdoors.util.durations import formatDuration

_log = Logger()


def announce(publisher: EventPublisher, doors: Iterable[Door], firewall: str) -> list[str]:
    """
    Tell it.

    @param firewall: the name of what guards them.
    @return: what makes their sequences weak, a sentence each.
    """
    weak = []
    for door in doors:
        publisher.publish(GUARDING, door=door, firewall=firewall, reason=_terms(door))
        advices = [] if door.authorizedKeys else door.sequence.warnings()
        weak += [f"door {door}: {advice}" for advice in advices]
        for advice in advices:
            _log.warn("door {door}: {advice}", door=door, advice=advice)
    return weak


def _terms(door: Door) -> str:
    """On what terms it opens."""
    times = f"{formatDuration(door.openFor)}, at most {formatDuration(door.maxOpenFor)} if asked"
    return f"{_knocksFor(door)} it for {times}{_sessions(door)}"


def _sessions(door: Door) -> str:
    """How its sessions end, if that must be said."""
    if door.cutSessions:
        return "; sessions end with it"
    if not any(each.protocol == "udp" for each in door.ports):
        return ""
    idle, most = formatDuration(door.udpIdle), formatDuration(door.udpMax)
    return f"; then UDP sessions end after {idle} of silence, {most} at most"


def _knocksFor(door: Door) -> str:
    if door.authorizedKeys:
        return f"a sealed knock on its {len(set(door.sequence.ports))} ports opens"
    return f"{len(door.sequence.ports)} knocks open"
