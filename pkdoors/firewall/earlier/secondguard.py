"""
Reads the second version of the guard, in which each door had sets of its own. Pure.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from pkdoors.firewall.guard.openingsets import ADDRESS, udpTimesOf
from pkdoors.firewall.netlink.messages import Element
from pkdoors.model.doors import Door
from pkdoors.model.sources import WHOLE

FORMAT = "pkdoors guard 2"
"""The note in the set C{about} by which such a table is recognized."""
_OPENINGS = re.compile(r"(.+)_open([46])(?:_([0-9]{1,3}))?")


class SecondSet(NamedTuple):
    """
    A set of openings.

    @ivar door: the name of its door.
    @ivar length: the bits of addresses that it compares.
    """

    name: str
    door: str
    length: int


def knows(notes: Collection[str], door: Door) -> bool:
    """Return whether a table has this door, with the same ports."""
    ports = ",".join(map(str, sorted(door.ports)))
    return f"door {door.name} {sha256(ports.encode()).hexdigest()[:16]}" in notes


def findSets(names: Collection[str], door: Door) -> Iterator[SecondSet]:
    """
    Yield a door's sets of openings among the names of sets in a table. Openings for one connection
    are left out: they may be used between the time when they are read and the time when the new
    table is there.
    """
    for name in sorted(names):
        match = _OPENINGS.fullmatch(name)
        if match is not None and match[1] == door.name and not door.once:
            yield SecondSet(name, door.name, int(match[3] or WHOLE[int(match[2])]))


def isOpenings(name: str) -> bool:
    """Return whether the elements of a set are openings of some door."""
    return re.fullmatch(r".+_(open|once)[46](_[0-9]{1,3})?", name) is not None


def flowSets(door: Door, version: int) -> Mapping[str, str]:
    """Return the sets of a door's UDP sessions, by what they are now."""
    kinds = {"idle": "udp", "most": "udpmost", "new": "udpnew"}
    return {kind: f"{door.name}_{old}{version}" for kind, old in kinds.items()}


def findOpenings(
    notes: Collection[str],
    sets: Collection[str],
    doors: Iterable[Door],
    listElements: Callable[[str], list[Element]],
) -> Iterator[tuple[Element, bytes, int, Door]]:
    """
    Yield the elements of openings, with the address, the length of the network and the door.

    @param notes: the comments in the set C{about}.
    @param sets: the names of the table's sets.
    @param listElements: returns the elements of a set.
    """
    for door in doors:
        for openings in findSets(sets, door) if knows(notes, door) else ():
            for element in listElements(openings.name):
                yield element, element.key, openings.length, door


def addFlows(
    books: dict[str, dict[bytes, float]],
    doors: Iterable[Door],
    listFlows: Callable[[str], Mapping[bytes, float]],
) -> None:
    """
    Add the UDP sessions of doors to their present sets.

    @param listFlows: returns the flows of a set.
    """
    for door in doors:
        times = udpTimesOf(door)
        for version in ADDRESS if times else ():
            for kind, name in flowSets(door, version).items():
                own = times.setName(kind, version) if times else ""
                if own in books:
                    books[own] |= listFlows(name)
