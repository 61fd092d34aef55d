"""
What of an opening is in firewalld's zones, what is missing there, and what is out of date. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pkdoors.firewall.firewalld.richrules import isOpeningRule, openingRules
from pkdoors.model.doors import Opening

Present = Mapping[str, Collection[str]]
"""The rich rules of each zone."""


@dataclass(frozen=True, slots=True)
class Placed:
    """
    Where an opening is.

    @ivar rules: one for each of its door's port ranges.
    @ivar deadline: as firewalld knows it; 0 where we do not know what it knows.
    """

    zone: str
    rules: tuple[str, ...]
    deadline: float

    def isIn(self, present: Present) -> bool:
        """Whether all of it is there."""
        return set(self.rules) <= set(present.get(self.zone, ()))


def possiblePlacements(opening: Opening, zone: str, priorities: Iterable[int]) -> Iterator[Placed]:
    """
    The ways in which an opening can be in a zone.

    @param priorities: those of its door, L{openingPriorities}.
    """
    for priority in priorities:
        rules = openingRules(opening.source, opening.door.ports, priority)
        yield Placed(zone, rules, opening.deadline)


def findPlacement(
    opening: Opening,
    zone: str,
    priorities: Iterable[int],
    before: Placed | None,
    present: Present,
) -> Placed | None:
    """
    What is there of an opening; L{None} where it is not, or not wholly.

    @param before: where we put it, if we did: then we know the deadline of that. Of what an earlier
        daemon put there we do not.
    """
    if before is not None and before.zone == zone and before.isIn(present):
        return before
    there = possiblePlacements(replace(opening, deadline=0.0), zone, priorities)
    return next((each for each in there if each.isIn(present)), None)


def staleRules(present: Present, placed: Iterable[Placed]) -> list[tuple[str, str]]:
    """The rules of openings, with their zones, that belong to none of these."""
    wanted = {(each.zone, rule) for each in placed for rule in each.rules}
    return [
        (zone, rule)
        for zone, rules in present.items()
        for rule in rules
        if isOpeningRule(rule) and (zone, rule) not in wanted
    ]
