"""
Finds which openings are in firewalld's zones, and which rules there are out of date. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pkdoors.firewall.firewalld.richrules import isOpeningRule, openingRules
from pkdoors.model.doors import Opening

Present = Mapping[str, Collection[str]]
"""The rich rules in each zone."""


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
        return all(set(self.rules) <= set(present.get(zone, ())) for zone in self.zones)

    def pairs(self) -> list[tuple[str, str]]:
        """Return the zone and the text of each rule."""
        return [(zone, rule) for zone in self.zones for rule in self.rules]


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


def staleRules(present: Present, placed: Iterable[Placed]) -> list[tuple[str, str]]:
    """Return the zone and the text of each rule for openings that belongs to none of these."""
    wanted = {pair for opening in placed for pair in opening.pairs()}
    return [
        (zone, rule)
        for zone, rules in present.items()
        for rule in rules
        if isOpeningRule(rule) and (zone, rule) not in wanted
    ]
