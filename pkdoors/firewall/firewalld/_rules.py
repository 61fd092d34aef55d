"""
What pkdoors has in firewalld's zones, and how it gets there. All of it runs in the thread that owns
the connection.
"""

from collections.abc import Callable
from functools import cache, partial
from itertools import count
from math import ceil

from twisted.internet.interfaces import IReactorTime

from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.firewalld._placement import (
    Placed,
    Present,
    findPlacement,
    possiblePlacements,
    staleRules,
)
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import FirewalldTimeout
from pkdoors.firewall.firewalld.richrules import isKnockRule, knockRule, openingPriorities
from pkdoors.model.addresses import Address
from pkdoors.model.doors import Door, Opening, listKnockPorts

ZONES_LAST = 1.0
"""Seconds for which openings share what firewalld said of its zones: to ask takes as long as to
open. Where it tells that something has moved it is asked anew, and all is put right."""

NEARLY_OVER = 1.0
"""Seconds before an opening's end in which it does not matter that firewalld ends it: its timers
are a second wide."""

ZoneOf = Callable[[Address], str]
"""Tells the zone that an address's packets are put in."""


class ZoneDoors:
    """
    The doors' rules in firewalld's zones.

    @param makeZones: makes the L{ZoneClient}.
    @param zone: the zone for everything; empty for what firewalld says.
    """

    def __init__(
        self, clock: IReactorTime, makeZones: Callable[[str], ZoneClient], zone: str
    ) -> None:
        self._clock = clock
        self._makeZones = makeZones
        self._zone = zone
        self._doors: tuple[Door, ...] = ()
        self._numbers: dict[str, int] = {}  # of the doors, for their priorities
        self._zones: ZoneClient
        self._placed: dict[tuple[str, Address], Placed] = {}
        self._knocks: list[tuple[str, str]] = []
        self._finder: tuple[float, ZoneOf] | None = None  # and since when

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """
        Take other doors, from the next restoration on.

        A door that stays keeps its priorities: its rules are there, and may be no other's.
        """
        self._doors = doors
        before, names = self._numbers, [door.name for door in doors]
        self._numbers = {name: before[name] for name in names if name in before}
        free = (number for number in count() if number not in self._numbers.values())
        for name in names:
            if name not in self._numbers:
                self._numbers[name] = next(free)

    def start(self, lost: Callable[[str], None], saved: Callable[[str], None]) -> None:
        """
        Connect, and let knocks in. The parameters are those of L{ZoneClient.listen}.

        @raise FirewallError: firewalld refused.
        """
        self._zones = self._makeZones(self._zone)
        try:
            self._letKnocksIn(self._zones.allRules())
        except FirewallError:
            self.takeKnocks()
            raise

        def forget(why: str) -> None:
            self._finder = None
            lost(why)

        self._zones.listen(forget, saved, self._isWanted)

    def _isWanted(self, zone: str, rule: str) -> bool:
        """Whether a rule ought to be there now; not when its own time is nearly over."""
        still = self._clock.seconds() + NEARLY_OVER
        return (zone, rule) in self._knocks or any(
            each.zone == zone and rule in each.rules and each.deadline > still
            for each in self._placed.values()
        )

    def restore(self, openings: list[Opening]) -> None:
        """
        Knocks first, what is out of date last. A refusal keeps nothing else back.

        @raise FirewallError: the first refusal.
        """
        present = self._zones.allRules()
        self._finder = None
        findZone = cache(self._zones.zoneFinder())
        self._find(openings, findZone, present)
        works: list[Callable[[], object]] = [
            lambda: self._letKnocksIn(present),
            *(partial(self.open, opening, findZone) for opening in openings),
            lambda: self._sweep(present),
            self._zones.takeSaved,
        ]
        errors = []
        for work in works:
            try:
                work()
            except FirewalldTimeout:
                raise
            except DeadlinePassed:
                pass
            except FirewallError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _find(self, openings: list[Opening], findZone: ZoneOf, present: Present) -> None:
        """See where the openings are, and forget all others."""
        placed = {}
        for opening in openings:
            key = opening.key
            priorities, before = self._priorities(opening), self._placed.get(key)
            there = findPlacement(opening, findZone(opening.source), priorities, before, present)
            if there is not None:
                placed[key] = there
        self._placed = placed

    def _sweep(self, present: Present) -> None:
        for zone, rule in staleRules(present, self._placed.values()):
            self._zones.remove(zone, rule)

    def _letKnocksIn(self, present: Present) -> None:
        zones = self._zones.knockZones()
        ports = listKnockPorts(self._doors)
        self._knocks = [(zone, knockRule(port)) for zone in zones for port in ports]
        there = dict.fromkeys((zone, rule) for zone, rules in present.items() for rule in rules)
        for zone, rule in there:
            if isKnockRule(rule) and (zone, rule) not in self._knocks:  # of an earlier daemon
                self._zones.remove(zone, rule)
        for zone, rule in self._knocks:
            if (zone, rule) not in there:
                self._zones.add(zone, rule)

    def open(self, opening: Opening, findZone: ZoneOf | None = None) -> None:
        """
        Open, or move the deadline.

        @raise FirewallError: firewalld refused; L{DeadlinePassed} where the deadline is over.
        """
        key = opening.key
        old = self._placed.get(key)
        if old and old.deadline == opening.deadline:
            return
        self._left(opening)
        zone = (findZone or self._zoneOf)(opening.source)
        ways = possiblePlacements(opening, zone, self._priorities(opening))
        new = next(each for each in ways if not old or each.rules != old.rules)
        self._put(new, self._left(opening))
        self._placed[key] = new
        if old:
            self._take(old)

    def has(self, opening: Opening) -> bool:
        """Whether there is something to close."""
        return opening.key in self._placed

    def close(self, opening: Opening) -> None:
        """
        End an opening.

        @raise FirewallError: firewalld refused; it is there to be closed all the same.
        """
        key = opening.key
        if key in self._placed:
            self._take(self._placed[key])
            del self._placed[key]

    def _left(self, opening: Opening) -> int:
        """firewalld counts whole seconds; the guard ends at the exact moment."""
        seconds = ceil(opening.deadline - self._clock.seconds())
        if seconds <= 0:
            raise DeadlinePassed("its time was over before firewalld got to it")
        return seconds

    def _zoneOf(self, source: Address) -> str:
        """As firewalld said it a moment ago: those who come together ask once."""
        now = self._clock.seconds()
        if self._finder is None or now - self._finder[0] >= ZONES_LAST:
            self._finder = now, self._zones.zoneFinder()
        return self._finder[1](source)

    def _priorities(self, opening: Opening) -> tuple[int, int]:
        return openingPriorities(self._numbers[opening.door.name])

    def _put(self, placed: Placed, seconds: int) -> None:
        try:
            for rule in placed.rules:
                self._zones.add(placed.zone, rule, seconds)
        except FirewalldTimeout:  # what it makes of that later, the restoration takes away
            raise
        except FirewallError:
            self._take(placed)
            raise

    def _take(self, placed: Placed) -> None:
        for rule in placed.rules:
            self._zones.remove(placed.zone, rule)

    def takeKnocks(self) -> None:
        """
        Let knocks in no more.

        @raise FirewallError: firewalld refused.
        """
        for zone, rule in self._knocks:
            self._zones.remove(zone, rule)
        self._knocks.clear()
