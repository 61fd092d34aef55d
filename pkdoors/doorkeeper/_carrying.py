"""What becomes of openings when the configuration changes."""

from collections.abc import Iterable
from dataclasses import replace

from pkdoors.doorkeeper._lives import Lives
from pkdoors.model.doors import Door, Opening


def carryOver(lives: Lives, doors: Iterable[Door], now: float) -> list[Opening]:
    """
    Return the wanted openings whose door still exists with the same ports, unless they would let in
    more connections than they were granted for.
    """
    known = {door.name: door for door in doors}
    return [
        replace(opening, door=door, deadline=min(opening.deadline, now + door.maxOpenFor))
        for opening in lives.wanted()
        if (door := known.get(opening.door.name))
        and door.ports == opening.door.ports
        and (door.once or not opening.door.once)
    ]


def moveLives(lives: Lives, doors: Iterable[Door], now: float) -> None:
    """Make the openings that L{carryOver} returns openings of the new doors, and end all others."""
    kept = {opening.key: opening for opening in carryOver(lives, doors, now)}
    for life in lives:
        opening = kept.get(life.opening.key)
        if opening is not None:
            life.move(opening.door, opening.deadline)
        elif life.isWanted() or life.isUsed:
            life.end("because the new configuration has no such door")
