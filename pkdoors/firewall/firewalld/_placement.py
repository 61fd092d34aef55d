"""
Knows which openings are in firewalld's zones, and which rules there are out of date. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pkdoors.firewall.firewalld.richrules import isOpeningRule, openingRules
from pkdoors.model.doors import Opening
from pkdoors.model.sources import Source

Present = Mapping[str, Collection[str]]
"""The rich rules in each zone; dictionaries or sets, since there may be very many."""

Key = tuple[str, Source]
"""What distinguishes one opening from another: its door and its source."""
Pair = tuple[str, str]
"""A zone and the text of a rule in it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """
    The place of an opening in firewalld.

    @ivar zones: one for an address; for a network, all that its packets may come into.
    @ivar rules: in each of them, one for each of its door's port ranges.
    @ivar deadline: the deadline that firewalld has; 0 if we do not know it.
    """

    zones: tuple[str, ...]
    rules: tuple[str, ...]
    deadline: float

    def isIn(self, present: Present) -> bool:
        """Return whether all its rules are present."""
        return all(rule in present.get(zone, ()) for zone, rule in self.pairs())

    def pairs(self) -> list[Pair]:
        """Return the zone and the text of each rule."""
        return [(zone, rule) for zone in self.zones for rule in self.rules]


class Placements:
    """The places of all openings; to look for one costs the same however many there are."""

    def __init__(self) -> None:
        self._placed: dict[Key, Placed] = {}
        self._owners: dict[Pair, list[Key]] = {}

    def get(self, key: Key) -> Placed | None:
        """Return the place of an opening; L{None} if it has none."""
        return self._placed.get(key)

    def put(self, key: Key, placed: Placed) -> None:
        """Remember a place, instead of the one that the opening had."""
        self.drop(key)
        self._placed[key] = placed
        for pair in placed.pairs():
            self._owners.setdefault(pair, []).append(key)

    def drop(self, key: Key) -> None:
        """Forget the place of an opening, if it has one."""
        placed = self._placed.pop(key, None)
        for pair in placed.pairs() if placed else ():
            owners = self._owners[pair]
            owners.remove(key)
            if not owners:
                del self._owners[pair]

    def deadlineOf(self, pair: Pair) -> float:
        """Return until when a rule must exist; 0 if no opening needs it."""
        return max((self._placed[key].deadline for key in self._owners.get(pair, ())), default=0.0)

    def isNeededByOthers(self, pair: Pair, key: Key) -> bool:
        """Return whether openings other than this one need a rule."""
        return any(owner != key for owner in self._owners.get(pair, ()))

    def pairs(self) -> Collection[Pair]:
        """Return the zone and the text of each rule."""
        return self._owners.keys()


def possiblePlacements(
    opening: Opening, zones: tuple[str, ...], priorities: Iterable[int]
) -> Iterator[Placed]:
    """
    Yield the possible places of an opening in some zones.

    @param priorities: those of its door, see L{openingPriorities}.
    """
    for priority in priorities:
        rules = openingRules(opening.source, opening.door.ports, priority)
        yield Placed(zones, rules, opening.deadline)


def findPlacement(
    opening: Opening,
    zones: tuple[str, ...],
    priorities: Iterable[int],
    before: Placed | None,
    present: Present,
) -> Placed | None:
    """
    Return the place of an opening; L{None} if any of its rules is missing.

    @param before: the place where we put it, if we did: then we know its deadline. If an earlier
        daemon put it there, we do not.
    """
    if before is not None and before.zones == zones and before.isIn(present):
        return before
    places = possiblePlacements(replace(opening, deadline=0.0), zones, priorities)
    return next((placed for placed in places if placed.isIn(present)), None)


def staleRules(present: Present, needed: Collection[Pair]) -> list[Pair]:
    """
    Return the zone and the text of each rule for openings that none of them needs.

    @param needed: see L{Placements.pairs}.
    """
    return [
        (zone, rule)
        for zone, rules in present.items()
        for rule in rules
        if isOpeningRule(rule) and (zone, rule) not in needed
    ]
