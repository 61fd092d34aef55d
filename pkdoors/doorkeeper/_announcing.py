"""Reports which doors are guarded, on what terms they open, and what is open already."""

from collections.abc import Iterable

from twisted.logger import Logger

from pkdoors.doorkeeper.openings.lives import Lives
from pkdoors.events.event import GUARDING
from pkdoors.events.publisher import EventPublisher
from pkdoors.model.doors import Door, Opening
from pkdoors.util.durations import formatDuration
from pkdoors.util.turns import Turns

_log = Logger()


async def announce(
    publisher: EventPublisher, turns: Turns, doors: Iterable[Door], firewall: str
) -> list[str]:
    """
    Report doors that are guarded from now on, and weak sequences.

    @param turns: if there are many doors, others have their turns meanwhile.
    @param firewall: the name of the firewall that guards them.
    @return: why their sequences are weak, a sentence for each reason.
    """
    weaknesses = []
    for door in doors:
        await turns.next()
        publisher.publish(GUARDING, door=door, firewall=firewall, reason=_describeTerms(door))
        advices = [] if door.authorizedKeys else door.sequence.warnings()
        weaknesses += [f"door {door}: {advice}" for advice in advices]
        for advice in advices:
            _log.warn("door {door}: {advice}", door=door, advice=advice)
    return weaknesses


def _describeTerms(door: Door) -> str:
    """Return how a door opens, and for how long."""
    times = f"{formatDuration(door.openFor)}, at most {formatDuration(door.maxOpenFor)} if asked"
    uses = ", for one connection" if door.once else ""
    ends = f"{_describeGrants(door)}{_describeSessions(door)}{_describeTrusted(door)}"
    return f"{_describeKnocks(door)} it for {times}{uses}{ends}{_describeProgram(door)}"


def _describeGrants(door: Door) -> str:
    """Return for which networks it opens; empty if only for addresses."""
    names = {"grant4": "IPv4", "grant6": "IPv6"}
    networks = " or ".join(f"{names[key]} /{length}" for key, length in door.grants().items())
    return f"; for the {networks} network of a client whose key has prefix" if networks else ""


def _describeProgram(door: Door) -> str:
    return "" if door.ports else f"; it only runs {door.onOpen[0] if door.onOpen else 'nothing'}"


def _describeTrusted(door: Door) -> str:
    return f"; no knock needed from {', '.join(map(str, door.trusted))}" if door.trusted else ""


def _describeSessions(door: Door) -> str:
    """Return when its sessions end; empty if they are only left alone."""
    if door.cutSessions and door.ports:
        return "; sessions end with it"
    if not any(ports.protocol == "udp" for ports in door.ports):
        return ""
    idle, most = formatDuration(door.udpIdle), formatDuration(door.udpMax)
    return f"; then UDP sessions end after {idle} of silence, {most} at most"


def _describeKnocks(door: Door) -> str:
    if not door.listens:
        return "only a sealed knock on another host of the fleet opens"
    if door.authorizedKeys:
        elsewhere = ", here or on another host of the fleet," if door.fleet else ""
        return f"a sealed knock on its {len(set(door.sequence.ports))} ports{elsewhere} opens"
    return f"{len(door.sequence.ports)} knocks open"


async def announceTakenOver(found: Iterable[Opening], lives: Lives, turns: Turns) -> None:
    """Publish the openings that were taken over; very many, in turns, while knocks are heard."""
    for opening in found:
        await turns.next()
        life = lives.get(opening.key)
        if life is not None:
            life.publishTakenOver(opening)
