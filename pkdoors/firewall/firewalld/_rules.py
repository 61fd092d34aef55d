"""
Keeps the doors' rules in firewalld's zones. Everything here runs in the thread that owns the
connection.
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
from pkdoors.firewall.firewalld.richrules import (
    isKnockRule,
    isTrustedRule,
    knockRule,
    openingPriorities,
    trustedRules,
)
from pkdoors.model.doors import Door, Opening, listKnockPorts
from pkdoors.model.sources import Source
from pkdoors.model.trusted import Interface

ZONES_LAST = 1.0
"""Seconds for which openings share one answer about firewalld's zones: asking takes as long as
opening. If firewalld signals a change, it is asked again, and all rules are restored."""

NEARLY_OVER = 1.0
"""Seconds before the end of an opening in which firewalld may end it: its timers are accurate to
one second."""

ZonesOf = Callable[[Source], tuple[str, ...]]
"""Returns the zones to which firewalld may assign the packets of a source."""


class ZoneDoors:
    """
    The doors' rules in firewalld's zones.

    @param makeZones: makes the L{ZoneClient}.
    @param zone: the zone for all rules; empty for the zones that firewalld chooses.
    @param letsKnocksIn: whether knocks need rules, because sockets hear them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        makeZones: Callable[[str], ZoneClient],
        zone: str,
        letsKnocksIn: bool = True,
    ) -> None:
        self._clock = clock
        self._makeZones = makeZones
        self._zone = zone
        self._letsKnocksIn = letsKnocksIn
        self._doors: tuple[Door, ...] = ()
        self._numbers: dict[str, int] = {}  # numbers of the doors, for their priorities
        self._zones: ZoneClient
        self._placed: dict[tuple[str, Source], Placed] = {}
        self._knocks: list[tuple[str, str]] = []
        self._trusted: list[tuple[str, str]] = []
        self._finder: tuple[float, ZonesOf] | None = None  # since when it is valid, and the finder

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """
        Use other doors, from the next restoration on.

        A door that stays keeps its priorities: its rules have them already, and another door must
        not get them.
        """
        self._doors = doors
        before, names = self._numbers, [door.name for door in doors]
        self._numbers = {name: before[name] for name in names if name in before}
        free = (number for number in count() if number not in self._numbers.values())
        for name in names:
            if name not in self._numbers:
                self._numbers[name] = next(free)

    def start(self, onLost: Callable[[str], None], onSaved: Callable[[str], None]) -> None:
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

        def forgetZones(cause: str) -> None:
            self._finder = None
            onLost(cause)

        self._zones.listen(forgetZones, onSaved, self._isWanted)

    def _isWanted(self, zone: str, rule: str) -> bool:
        """Return whether a rule must exist now, and for more than L{NEARLY_OVER}."""
        soon = self._clock.seconds() + NEARLY_OVER
        return (zone, rule) in (*self._knocks, *self._trusted) or any(
            zone in placed.zones and rule in placed.rules and placed.deadline > soon
            for placed in self._placed.values()
        )

    def restore(self, openings: list[Opening]) -> None:
        """
        Restore the rules: first those for knocks, then those for openings; then remove rules that
        are out of date. If firewalld refuses one, the others are restored all the same.

        @raise FirewallError: the first refusal.
        """
        present = self._zones.allRules()
        self._finder = None
        findZones = cache(self._zones.zonesFinder())
        self._find(openings, findZones, present)
        tasks: list[Callable[[], object]] = [
            lambda: self._letKnocksIn(present),
            *(partial(self.open, opening, findZones) for opening in openings),
            lambda: self._sweep(present),
            self._zones.takeSaved,
            # Last, because there may be very many: the start and these openings do not wait for
            # them.
            lambda: self._letTrustedIn(present),
        ]
        errors = []
        for task in tasks:
            try:
                task()
            except FirewalldTimeout:
                raise
            except DeadlinePassed:
                pass
            except FirewallError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _find(self, openings: list[Opening], findZones: ZonesOf, present: Present) -> None:
        """Find the places of these openings, and forget all others."""
        placed = {}
        for opening in openings:
            key = opening.key
            priorities, before = self._priorities(opening), self._placed.get(key)
            place = findPlacement(opening, findZones(opening.source), priorities, before, present)
            if place is not None:
                placed[key] = place
        self._placed = placed

    def _sweep(self, present: Present) -> None:
        for zone, rule in staleRules(present, self._placed.values()):
            self._zones.remove(zone, rule)

    def _letKnocksIn(self, present: Present) -> None:
        """Add the rules for knocks if they need any, and remove those of an earlier daemon."""
        zones = self._zones.knockZones() if self._letsKnocksIn else []
        ports = listKnockPorts(self._doors)
        self._knocks = [(zone, knockRule(port)) for zone in zones for port in ports]
        self._makeSo(present, isKnockRule, self._knocks)

    def _letTrustedIn(self, present: Present) -> None:
        """Add the rules for what is trusted, and remove those for what is trusted no more."""
        self._trusted = self._placeTrusted()
        self._makeSo(present, isTrustedRule, self._trusted)

    def _makeSo(
        self, present: Present, isMeant: Callable[[str], bool], wanted: list[tuple[str, str]]
    ) -> None:
        """Have exactly these rules of a kind."""
        existing = dict.fromkeys((zone, rule) for zone, rules in present.items() for rule in rules)
        for zone, rule in existing:
            if isMeant(rule) and (zone, rule) not in wanted:
                self._zones.remove(zone, rule)
        for zone, rule in dict.fromkeys(wanted):
            if (zone, rule) not in existing:
                self._zones.add(zone, rule)

    def _placeTrusted(self) -> list[tuple[str, str]]:
        """Return the zones and rules that let through what the guard lets in without a knock."""
        return [
            (zone, rule)
            for door in self._doors
            for trusted in door.trusted
            for zone in self._zones.trustedZones(trusted)
            for rule in trustedRules(
                None if isinstance(trusted, Interface) else trusted, door.ports
            )
        ]

    def open(self, opening: Opening, findZones: ZonesOf | None = None) -> None:
        """
        Open, or move the deadline.

        @raise FirewallError: firewalld refused; L{DeadlinePassed} if the deadline is over.
        """
        key = opening.key
        old = self._placed.get(key)
        if old and old.deadline == opening.deadline:
            return
        self._secondsLeft(opening)  # raises if it is too late to ask
        zones = (findZones or self._findZones)(opening.source)
        places = possiblePlacements(opening, zones, self._priorities(opening))
        # To move a deadline, add the same rules at the other priority: firewalld would keep the
        # timeout of a rule that is added again.
        new = next(place for place in places if not old or place.rules != old.rules)
        self._add(new, self._secondsLeft(opening))
        self._placed[key] = new
        if old:
            self._remove(old)

    def has(self, opening: Opening) -> bool:
        """Return whether an opening has rules here."""
        return opening.key in self._placed

    def close(self, opening: Opening) -> None:
        """
        End an opening.

        @raise FirewallError: firewalld refused; the opening can be closed again.
        """
        key = opening.key
        if key in self._placed:
            self._remove(self._placed[key])
            del self._placed[key]

    def _secondsLeft(self, opening: Opening) -> int:
        """Return the time left, rounded up: firewalld counts whole seconds, the guard is exact."""
        seconds = ceil(opening.deadline - self._clock.seconds())
        if seconds <= 0:
            raise DeadlinePassed("its deadline passed before firewalld could open it")
        return seconds

    def _findZones(self, source: Source) -> tuple[str, ...]:
        """Return the zones of a source, by an answer that openings share for a moment."""
        now = self._clock.seconds()
        if self._finder is None or now - self._finder[0] >= ZONES_LAST:
            self._finder = now, self._zones.zonesFinder()
        return self._finder[1](source)

    def _priorities(self, opening: Opening) -> tuple[int, int]:
        return openingPriorities(self._numbers[opening.door.name])

    def _add(self, placed: Placed, seconds: int) -> None:
        try:
            for zone, rule in placed.pairs():
                self._zones.add(zone, rule, seconds)
        except FirewalldTimeout:  # if it adds the rule later, the restoration removes it
            raise
        except FirewallError:
            self._remove(placed)
            raise

    def _remove(self, placed: Placed) -> None:
        for zone, rule in placed.pairs():
            self._zones.remove(zone, rule)

    def takeKnocks(self) -> None:
        """
        Remove the rules that let knocks in. Those for what is trusted stay, as in the guard.

        @raise FirewallError: firewalld refused.
        """
        for zone, rule in self._knocks:
            self._zones.remove(zone, rule)
        self._knocks.clear()
