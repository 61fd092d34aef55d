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
from pkdoors.firewall.firewalld._admission import Admission, KnownAdmission
from pkdoors.firewall.firewalld._placement import (
    Key,
    Placed,
    Placements,
    Present,
    findPlacement,
    possiblePlacements,
    staleRules,
)
from pkdoors.firewall.firewalld._standing import StandingRules
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import FirewalldTimeout
from pkdoors.firewall.firewalld.richrules import openingPriorities
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import Source

ZONES_LAST = 1.0
"""Seconds for which openings share one answer about firewalld's zones: asking takes as long as
opening. If firewalld signals a change, it is asked again, and all rules are restored."""

NEARLY_OVER = 1.0
"""Seconds before the end of an opening in which firewalld may end it: its timers are accurate to
one second."""

EARLY = 0.25
"""Seconds by which firewalld may end a rule too early: its timers (C{g_timeout_add_seconds}) end at
one fraction of a second, at most this long before the time or 0.75 s after it."""

ZonesOf = Callable[[Source], tuple[str, ...]]
"""Returns the zones to which firewalld may assign the packets of a source."""


class ZoneDoors:
    """
    The doors' rules in firewalld's zones.

    Each call costs firewalld more, the more rules and openings there are: libnftables reads the
    whole ruleset of the host, with our sets. So there is no call for an opening that needs no rule,
    and a restoration, which may take many seconds, lets clients who knock meanwhile go first.

    @param makeZones: makes the L{ZoneClient}.
    @param zone: the zone for all rules; empty for the zones that firewalld chooses.
    @param letsKnocksIn: whether knocks need rules, because sockets hear them.
    @param serve: does the openings that wait; a restoration calls it again and again.
    """

    def __init__(
        self,
        clock: IReactorTime,
        makeZones: Callable[[str], ZoneClient],
        zone: str,
        letsKnocksIn: bool = True,
        serve: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._makeZones = makeZones
        self._zone = zone
        self._serve = serve
        self._doors: tuple[Door, ...] = ()
        self._numbers: dict[str, int] = {}  # numbers of the doors, for their priorities
        self._zones: ZoneClient
        self._onLost: Callable[[str], None] = lambda cause: None
        self._placed = Placements()
        self._standing = StandingRules(letsKnocksIn, serve)
        self._finder: tuple[float, ZonesOf] | None = None  # since when it is valid, and the finder
        self._known = KnownAdmission()
        self._overtaking: set[Key] | None = None  # openings made during a restoration

    @property
    def admission(self) -> Admission:
        """What firewalld lets through without our rules. The reactor's thread may ask, too."""
        return self._known.current

    def setDoors(self, doors: tuple[Door, ...]) -> None:
        """
        Use other doors, from the next restoration on.

        A door that stays keeps its priorities, which its rules have; no other must get them.
        """
        self._doors = doors
        before, names = self._numbers, [door.name for door in doors]
        self._numbers = {name: before[name] for name in names if name in before}
        taken = frozenset(self._numbers.values())
        free = (number for number in count() if number not in taken)
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
            self._learn()
            self._letKnocksIn(self._zones.allRules())
        except FirewallError:
            self.takeKnocks()
            raise

        def forgetZones(cause: str) -> None:
            self._finder = None
            self._known.forget()
            onLost(cause)

        self._onLost = forgetZones
        self._zones.listen(forgetZones, onSaved, self._isWanted, self._reconsider)

    def _isWanted(self, zone: str, rule: str) -> bool:
        """Return whether a rule must exist now, and for more than L{NEARLY_OVER}."""
        pair, soon = (zone, rule), self._clock.seconds() + NEARLY_OVER
        return pair in self._standing or self._placed.deadlineOf(pair) > soon

    def _reconsider(self) -> None:
        """Find out again what firewalld lets through; openings without rules may need some now."""
        try:
            if self._known.isKnown:  # otherwise a restoration will find out
                self._learn()
        except FirewallError as error:
            self._onLost(str(error))
            return
        doors = [door.ports for door in self._doors]
        if self._known.isTooLittle([*doors, *self._standing.knockPorts(self._doors)]):
            self._onLost("firewalld's zones were changed")

    def _learn(self) -> None:
        self._known.learn(self._zones.knockZones(), self._zones.ask)

    def restore(self, openings: list[Opening]) -> None:
        """
        Restore the rules: first those for knocks, then those for openings; then remove rules that
        are out of date. If firewalld refuses one, the others are restored all the same.

        @raise FirewallError: the first refusal.
        """
        present = {zone: dict.fromkeys(rules) for zone, rules in self._zones.allRules().items()}
        self._finder = None
        self._learn()
        self._known.rely()
        findZones = cache(self._zones.zonesFinder())
        self._find(openings, findZones, present)
        tasks: list[Callable[[], object]] = [
            lambda: self._letKnocksIn(present),
            *(partial(self._reopen, opening, findZones) for opening in openings),
            lambda: self._sweep(present),
            self._zones.takeSaved,
            # Last, because there may be very many: the start and these openings do not wait for
            # them.
            lambda: self._standing.letTrustedIn(self._zones, self._doors, self.admission, present),
        ]
        errors = []
        self._overtaking = set()
        try:
            for task in tasks:
                try:
                    task()
                except FirewalldTimeout:
                    raise
                except DeadlinePassed:
                    pass
                except FirewallError as error:
                    errors.append(error)
        finally:
            self._overtaking = None
        if errors:
            raise errors[0]

    def _find(self, openings: list[Opening], findZones: ZonesOf, present: Present) -> None:
        """Find the places of these openings, and forget all others."""
        placements = Placements()
        for opening in openings:
            key, zones = opening.key, self._zonesNeeding(opening, findZones)
            priorities, before = self._priorities(opening), self._placed.get(key)
            place = findPlacement(opening, zones, priorities, before, present) if zones else None
            if place is not None:
                placements.put(key, place)
        self._placed = placements

    def _reopen(self, opening: Opening, findZones: ZonesOf) -> None:
        """Open as part of a restoration, unless a newer request came first."""
        self._serve()
        if self._overtaking is not None and opening.key not in self._overtaking:
            self._open(opening, findZones)

    def _sweep(self, present: Present) -> None:
        for zone, rule in staleRules(present, self._placed.pairs()):
            self._serve()
            if (zone, rule) not in self._placed.pairs():
                self._zones.remove(zone, rule)

    def _letKnocksIn(self, present: Present) -> None:
        self._standing.letKnocksIn(self._zones, self._doors, self.admission, present)

    def open(self, opening: Opening) -> None:
        """
        Open, or move the deadline.

        @raise FirewallError: firewalld refused; L{DeadlinePassed} if the deadline is over.
        """
        if self._overtaking is not None:
            self._overtaking.add(opening.key)
        self._open(opening, self._findZones)

    def _open(self, opening: Opening, findZones: ZonesOf) -> None:
        key = opening.key
        old = self._placed.get(key)
        if old and old.deadline == opening.deadline:
            return
        self._secondsLeft(opening)  # raises if it is too late to ask
        zones = self._zonesNeeding(opening, findZones)
        if not zones:
            self.close(opening)  # it may have rules from before
            return
        places = possiblePlacements(opening, zones, self._priorities(opening))
        # To move a deadline, add the same rules at the other priority: firewalld would keep the
        # timeout of a rule that is added again.
        new = next(place for place in places if not old or place.rules != old.rules)
        self._add(key, new, self._secondsLeft(opening))
        self._placed.put(key, new)
        if old:
            self._remove(key, old)

    def _zonesNeeding(self, opening: Opening, findZones: ZonesOf) -> tuple[str, ...]:
        """Return the zones of an opening's source that do not let everybody reach its ports."""
        if not self._known.isKnown:
            self._learn()
        ports = opening.door.ports
        if self.admission.admitsEverywhere(ports):
            return ()
        zones = findZones(opening.source)
        return tuple(zone for zone in zones if not self.admission.admits(zone, ports))

    def has(self, opening: Opening) -> bool:
        """Return whether an opening has rules here."""
        return self._placed.get(opening.key) is not None

    def close(self, opening: Opening) -> None:
        """
        End an opening.

        @raise FirewallError: firewalld refused; the opening can be closed again.
        """
        placed = self._placed.get(opening.key)
        if placed is not None:
            self._remove(opening.key, placed)
            self._placed.drop(opening.key)

    def _secondsLeft(self, opening: Opening) -> int:
        """
        Return the time to ask firewalld for, in whole seconds: at least what is left, because the
        guard ends the opening in time.
        """
        left = opening.deadline - self._clock.seconds()
        if left <= 0:
            raise DeadlinePassed("its deadline passed before firewalld could open it")
        return ceil(left + EARLY)

    def _findZones(self, source: Source) -> tuple[str, ...]:
        """Return the zones of a source, by an answer that openings share for a moment."""
        now = self._clock.seconds()
        if self._finder is None or now - self._finder[0] >= ZONES_LAST:
            self._finder = now, self._zones.zonesFinder()
        return self._finder[1](source)

    def _priorities(self, opening: Opening) -> tuple[int, int]:
        return openingPriorities(self._numbers[opening.door.name])

    def _add(self, key: Key, placed: Placed, seconds: int) -> None:
        try:
            for zone, rule in placed.pairs():
                # There are fewer priorities than there may be doors.
                if self._placed.deadlineOf((zone, rule)) < placed.deadline:
                    self._zones.add(zone, rule, seconds)
        except FirewalldTimeout:  # if it adds the rule later, the restoration removes it
            raise
        except FirewallError:
            self._remove(key, placed)
            raise

    def _remove(self, key: Key, placed: Placed) -> None:
        for zone, rule in placed.pairs():
            if not self._placed.isNeededByOthers((zone, rule), key):
                self._zones.remove(zone, rule)

    def takeKnocks(self) -> None:
        """
        Remove the rules that let knocks in. Those for what is trusted stay, as in the guard.

        @raise FirewallError: firewalld refused.
        """
        self._standing.takeKnocks(self._zones)
