"""
firewalld, through its own Python client, on a thread of its own.

An opening is one rich rule for each of the door's port ranges, with firewalld's own timeout, in
the zone that firewalld puts the client's packets in. The client's other traffic stays what it was.
"""

from collections.abc import Callable, Iterable
from math import ceil
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Address, Door, Opening, protectedPorts
from pkdoors.errors import FirewallError
from pkdoors.firewall.bus import BusThread
from pkdoors.firewall.zoneclient import ZoneClient, clientClass, isRunning
from pkdoors.interfaces import IFirewall
from pkdoors.richrules import OPENING_PRIORITIES, isKnockRule, knockRule, openingRules
from pkdoors.zones import exposureWarning

START_TIMEOUT = 30.0
"""Seconds that firewalld may take for all of the start: 20 knock ports in 10 zones take 2."""

T = TypeVar("T")
Placed = tuple[str, tuple[str, ...], int]
"""Where an opening is: zone, rules, and which of the two priorities they have."""


@implementer(IFirewall)
class FirewalldFirewall:
    """
    @param makeZones: makes the L{ZoneClient}, in the thread.
    """

    _log = Logger()
    name = "firewalld"

    def __init__(
        self, clock: IReactorTime, thread: BusThread, makeZones: Callable[[], ZoneClient]
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._makeZones = makeZones
        self._doors: tuple[Door, ...] = ()
        # What follows belongs to the thread.
        self._zones: ZoneClient
        self._placed: dict[tuple[str, Address], Placed] = {}
        self._knocks: list[tuple[str, str]] = []

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}."""
        clientClass()
        if not isRunning():
            raise FirewallError(
                "firewalld is not running: start it (systemctl start firewalld), "
                "or choose --firewall nftables"
            )

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> list[Opening]:
        """See L{IFirewall.start}. firewalld ends what was open; it does not tell when."""
        self._doors = doors
        self._thread.start()
        try:
            warnings = self._thread.callBlocking(lambda: self._start(lost), START_TIMEOUT)
        except TimeoutError:
            raise FirewallError(
                f"firewalld did not answer within {START_TIMEOUT:g} s: "
                "see what it does (systemctl status firewalld), then start again"
            ) from None
        for advice in warnings:  # "warning" as a field would be taken for one of Python's
            self._log.warn("{advice}", advice=advice)
        return []

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        wanted = list(openings)
        return self._thread.call(lambda: self._restore(wanted))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        return self._thread.call(lambda: self._open(opening))

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return self._thread.call(lambda: self._close(opening))

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}."""
        return self._thread.call(self._takeKnocks).addBoth(self._stopThread)

    def _stopThread(self, result: T) -> T:
        self._thread.stop()
        return result

    # From here on everything runs in the thread.

    def _start(self, lost: Callable[[str], None]) -> list[str]:
        self._zones = self._makeZones()
        zones = self._zones.knockZones()
        try:
            self._letKnocksIn(zones)
            warnings = [each for zone in zones for each in self._warnings(zone)]
        except FirewallError:
            self._takeKnocks()
            raise
        self._zones.onLoss(lambda why: self._thread.tell(lost, why))
        return warnings

    def _restore(self, openings: list[Opening]) -> None:
        self._knocks.clear()
        self._placed.clear()
        self._letKnocksIn(self._zones.knockZones())
        for opening in openings:
            self._open(opening)

    def _letKnocksIn(self, zones: list[str]) -> None:
        wanted = {knockRule(port) for door in self._doors for port in door.sequence.ports}
        for zone in zones:
            for rule in filter(isKnockRule, self._zones.rules(zone)):
                if rule not in wanted:  # of a daemon that was killed
                    self._zones.remove(zone, rule)
            for rule in sorted(wanted):
                self._zones.add(zone, rule)
                self._knocks.append((zone, rule))

    def _warnings(self, zone: str) -> list[str]:
        ports = protectedPorts(self._doors)
        found = (exposureWarning(zone, each, ports) for each in self._zones.exposures(zone))
        return [warning for warning in found if warning]

    def _open(self, opening: Opening) -> None:
        key = (opening.door.name, opening.source)
        old = self._placed.get(key)
        which = 1 - old[2] if old else 0
        rules = openingRules(opening.source, opening.door.ports, OPENING_PRIORITIES[which])
        new = (self._zones.zoneOf(opening.source), rules, which)
        # firewalld counts whole seconds; the doorkeeper closes at the exact moment.
        self._put(new, max(1, ceil(opening.deadline - self._clock.seconds())))
        self._placed[key] = new
        if old:
            self._take(old)

    def _close(self, opening: Opening) -> None:
        key = (opening.door.name, opening.source)
        if key in self._placed:
            self._take(self._placed[key])
            del self._placed[key]

    def _put(self, placed: Placed, seconds: int) -> None:
        zone, rules, _ = placed
        try:
            for rule in rules:
                self._zones.add(zone, rule, seconds)
        except FirewallError:
            self._take(placed)
            raise

    def _take(self, placed: Placed) -> None:
        zone, rules, _ = placed
        for rule in rules:
            self._zones.remove(zone, rule)

    def _takeKnocks(self) -> None:
        for zone, rule in self._knocks:
            self._zones.remove(zone, rule)
        self._knocks.clear()
