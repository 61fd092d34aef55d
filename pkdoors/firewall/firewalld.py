"""
firewalld, through its own Python client, on a thread of its own.

It closes nothing here and ends nothing: that is the guard's work (L{pkdoors.firewall.nftables}),
which does not depend on any daemon. firewalld has to let through what the guard lets through: the
knocks, and for an opening the door's ports, by one rich rule for each port range in the zone that
firewalld puts the client's packets in. The client's other traffic stays what it was.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import count
from math import ceil
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Address, Door, Opening, knockPorts
from pkdoors.errors import FirewallError
from pkdoors.firewall.bus import BusThread
from pkdoors.firewall.zonebus import Silent, clientClass, examine
from pkdoors.firewall.zoneclient import ZoneClient
from pkdoors.interfaces import IFirewall
from pkdoors.placing import Placed, Present, found, outdated, placings
from pkdoors.richrules import isKnockRule, knockRule, openingPriorities

START_TIMEOUT = 30.0
"""Seconds that firewalld may take for all of the start: 20 knock ports in 10 zones take 2."""

NEARLY_OVER = 1.0
"""Seconds before an opening's end in which it does not matter that firewalld ends it: its timers
are a second wide."""

T = TypeVar("T")


@implementer(IFirewall)
class FirewalldFirewall:
    """
    @param makeZones: makes the L{ZoneClient}, in the thread.
    @param zone: the zone for everything; empty for what firewalld says.
    """

    _log = Logger()
    name = "firewalld"

    def __init__(
        self,
        clock: IReactorTime,
        thread: BusThread,
        makeZones: Callable[[str], ZoneClient] = ZoneClient,
        zone: str = "",
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._makeZones = makeZones
        self._zone = zone
        self._doors: tuple[Door, ...] = ()
        # What follows belongs to the thread.
        self._numbers: dict[str, int] = {}  # of the doors, for their priorities
        self._zones: ZoneClient
        self._placed: dict[tuple[str, Address], Placed] = {}
        self._knocks: list[tuple[str, str]] = []

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        clientClass()
        examine(self._zone)

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> None:
        """See L{IFirewall.start}. firewalld does not tell when an opening ends."""
        self._adopt(doors)
        self._thread.start()
        try:
            self._thread.callBlocking(lambda: self._start(lost), START_TIMEOUT)
        except TimeoutError:
            raise FirewallError(
                f"firewalld did not answer within {START_TIMEOUT:g} s: "
                "see what it does (systemctl status firewalld), then start again"
            ) from None

    def keep(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}."""
        # In the thread, so that what was asked of it before is done with the doors from before.
        self._thread.call(lambda: self._adopt(doors))

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        wanted = list(openings)
        return self._thread.call(lambda: self._restore(wanted))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return self._thread.call(lambda: self._open(opening, self._zones.zoneFinder()))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return self._thread.call(lambda: self._close(opening))

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._thread.call(self._takeKnocks).addBoth(self._stopThread)

    def _stopThread(self, result: T) -> T:
        self._thread.stop()
        return result

    def _warnOfSaved(self, zone: str) -> None:
        self._log.warn(
            "rules of pkdoors had become permanent ones of firewalld's zone {zone}, "
            "which never end (`firewall-cmd --runtime-to-permanent` does that): removed there",
            zone=zone,
        )

    # From here on everything runs in the thread.

    def _adopt(self, doors: tuple[Door, ...]) -> None:
        """A door that stays keeps its priorities: its rules are there, and may be no other's."""
        self._doors = doors
        before, names = self._numbers, [door.name for door in doors]
        self._numbers = {name: before[name] for name in names if name in before}
        free = (number for number in count() if number not in self._numbers.values())
        for name in names:
            if name not in self._numbers:
                self._numbers[name] = next(free)

    def _start(self, lost: Callable[[str], None]) -> None:
        self._zones = self._makeZones(self._zone)
        try:
            self._letKnocksIn(self._zones.allRules())
        except FirewallError:
            self._takeKnocks()
            raise
        self._zones.listen(
            lambda why: self._thread.tell(lost, why),
            lambda zone: self._thread.tell(self._warnOfSaved, zone),
            self._isWanted,
        )

    def _isWanted(self, zone: str, rule: str) -> bool:
        """Whether a rule ought to be there now; not when its own time is nearly over."""
        still = self._clock.seconds() + NEARLY_OVER
        return (zone, rule) in self._knocks or any(
            each.zone == zone and rule in each.rules and each.deadline > still
            for each in self._placed.values()
        )

    def _restore(self, openings: list[Opening]) -> None:
        """Knocks first, what is out of date last. A refusal keeps nothing else back."""
        present = self._zones.allRules()
        zoneOf = cache(self._zones.zoneFinder())
        self._find(openings, zoneOf, present)
        works: list[Callable[[], object]] = [
            lambda: self._letKnocksIn(present),
            *(partial(self._open, opening, zoneOf) for opening in openings),
            lambda: self._sweep(present),
            self._zones.takeSaved,
        ]
        errors = []
        for work in works:
            try:
                work()
            except Silent:
                raise
            except FirewallError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _find(
        self, openings: list[Opening], zoneOf: Callable[[Address], str], present: Present
    ) -> None:
        """See where the openings are, and forget all others."""
        placed = {}
        for opening in openings:
            key = opening.key
            priorities, before = self._priorities(opening), self._placed.get(key)
            there = found(opening, zoneOf(opening.source), priorities, before, present)
            if there is not None:
                placed[key] = there
        self._placed = placed

    def _sweep(self, present: Present) -> None:
        for zone, rule in outdated(present, self._placed.values()):
            self._zones.remove(zone, rule)

    def _letKnocksIn(self, present: Present) -> None:
        zones = self._zones.knockZones()
        ports = knockPorts(self._doors)
        self._knocks = [(zone, knockRule(port)) for zone in zones for port in ports]
        there = dict.fromkeys((zone, rule) for zone, rules in present.items() for rule in rules)
        for zone, rule in there:
            if isKnockRule(rule) and (zone, rule) not in self._knocks:  # of an earlier daemon
                self._zones.remove(zone, rule)
        for zone, rule in self._knocks:
            if (zone, rule) not in there:
                self._zones.add(zone, rule)

    def _open(self, opening: Opening, zoneOf: Callable[[Address], str]) -> None:
        key = opening.key
        old = self._placed.get(key)
        if old and old.deadline == opening.deadline:
            return
        ways = placings(opening, zoneOf(opening.source), self._priorities(opening))
        new = next(each for each in ways if not old or each.rules != old.rules)
        # firewalld counts whole seconds; the guard ends at the exact moment.
        self._put(new, max(1, ceil(opening.deadline - self._clock.seconds())))
        self._placed[key] = new
        if old:
            self._take(old)

    def _close(self, opening: Opening) -> None:
        key = opening.key
        if key in self._placed:
            self._take(self._placed[key])
            del self._placed[key]

    def _priorities(self, opening: Opening) -> tuple[int, int]:
        return openingPriorities(self._numbers[opening.door.name])

    def _put(self, placed: Placed, seconds: int) -> None:
        try:
            for rule in placed.rules:
                self._zones.add(placed.zone, rule, seconds)
        except FirewallError:
            self._take(placed)
            raise

    def _take(self, placed: Placed) -> None:
        for rule in placed.rules:
            self._zones.remove(placed.zone, rule)

    def _takeKnocks(self) -> None:
        for zone, rule in self._knocks:
            self._zones.remove(zone, rule)
        self._knocks.clear()
