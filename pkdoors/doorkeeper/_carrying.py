"""Which openings remain when the configuration changes. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from pkdoors.model.doors import Door, Opening


def carryOver(openings: Iterable[Opening], doors: Iterable[Door], now: float) -> list[Opening]:
    """
    Return the openings whose door still exists with the same ports, unless they would let in more
    connections than they were granted for.
    """
    known = {door.name: door for door in doors}
    return [
        replace(opening, door=door, deadline=min(opening.deadline, now + door.maxOpenFor))
        for opening in openings
        if (door := known.get(opening.door.name))
        and door.ports == opening.door.ports
        and (door.once or not opening.door.once)
    ]
