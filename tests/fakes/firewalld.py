"""firewalld, its client, and the thread that talks to it."""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from twisted.internet.task import Clock

from tests.fakes.dbus import FakeDBusException

T = TypeVar("T")

EARLY = 0.25
"""Seconds by which a rule ends too early: the timers of the real one may do that."""


class FakeZoneSettings:
    """
    C{firewall.client.FirewallClientZoneSettings}.
    """

    def __init__(
        self,
        target: str = "default",
        ports: Iterable[tuple[str, str]] = (),
        services: Iterable[str] = (),
        protocols: Iterable[str] = (),
        rules: Iterable[str] = (),
    ) -> None:
        self._target = target
        self._ports = list(ports)
        self._services = list(services)
        self._protocols = list(protocols)
        self._rules = list(rules)

    def getTarget(self) -> str:
        """Return what happens to packets that no rule decides on."""
        return self._target

    def getPorts(self) -> list[tuple[str, str]]:
        """Return the open ports."""
        return self._ports

    def getServices(self) -> list[str]:
        """Return the open services."""
        return self._services

    def getProtocols(self) -> list[str]:
        """Return the open protocols."""
        return self._protocols

    def getRichRules(self) -> list[str]:
        """Return the rich rules."""
        return self._rules


class FakeServiceSettings:
    """
    C{firewall.client.FirewallClientServiceSettings}.
    """

    def __init__(
        self, ports: list[tuple[str, str]], includes: list[str], destinations: dict[str, str]
    ) -> None:
        self._ports = ports
        self._includes = includes
        self._destinations = destinations

    def getDestinations(self) -> dict[str, str]:
        """Return the addresses of this host that offer it, by family; empty for all."""
        return self._destinations

    def getPorts(self) -> list[tuple[str, str]]:
        """Return the ports of the service itself."""
        return self._ports

    def getIncludes(self) -> list[str]:
        """Return the services that it includes."""
        return self._includes


SIGNALS = {
    "reloaded",
    "connection-changed",
    "config:zone-updated",
    "default-zone-changed",
    "richrule-removed",
    "interface-added",
    "interface-removed",
    "zone-of-interface-changed",
    "source-added",
    "source-removed",
    "zone-of-source-changed",
    "panic-mode-disabled",
    "panic-mode-enabled",
    "port-added",
    "port-removed",
    "protocol-added",
    "protocol-removed",
    "service-added",
    "service-removed",
    "zone-updated",
}
"""Some of the signals that firewalld's client knows."""


class FakePermanent:
    """
    firewalld's permanent configuration, or one zone of it.
    """

    def __init__(
        self, zones: dict[str, list[str]], check: Callable[[str, str], None], zone: str = ""
    ) -> None:
        self._zones = zones
        self._check = check
        self._zone = zone

    def getZoneNames(self) -> list[str]:
        """Return the names of all zones."""
        self._check("getZoneNames", "")
        return list(self._zones)

    def getZoneByName(self, name: str) -> "FakePermanent":
        """Return one zone."""
        if name not in self._zones:
            raise FakeDBusException(f"INVALID_ZONE: {name}")
        return FakePermanent(self._zones, self._check, name)

    def getRichRules(self) -> list[str]:
        """Return the rich rules of the zone."""
        return list(self._zones[self._zone])

    def removeRichRule(self, rule: str) -> None:
        """Remove one of these rules."""
        self._check("removePermanentRule", rule)
        if rule not in self.getRichRules():
            raise FakeDBusException(f"NOT_ENABLED: '{rule}'")
        self._zones[self._zone].remove(rule)


class FakeFirewalld:
    """
    firewalld, and C{firewall.client.FirewallClient} to it.

    @ivar rules: zone -> rule -> when firewalld removes it, 0 for never.
    @ivar permanent: the rules of each zone that a reload brings back.
    @ivar calls: the calls that change something, C{"add public rule ..."}.
    @ivar refusals: method, part of a rule, and what firewalld answers to calls with it;
        C{removePermanentRule} is of the permanent configuration.
    @ivar asked: the methods that were called, whether they succeeded or not.
    @ivar destinations: services that only some addresses of the host offer.
    @ivar isPanicking: whether it drops everything.
    @ivar isOnBus: whether the client's connection to the bus is there.
    @ivar connected: whether the client has seen firewalld on the bus.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callbacks: dict[str, Callable[..., None]] = {}
        self.isOnBus = True
        self.connected = True
        self.rules: dict[str, dict[str, float]] = {"public": {}, "internal": {}, "trusted": {}}
        self.permanent: dict[str, list[str]] = {zone: [] for zone in self.rules}
        self.active: dict[str, dict[str, list[str]]] = {"public": {"interfaces": ["eth0"]}}
        self.default = "public"
        self.ipsets: dict[str, list[str]] = {}
        self.settings: dict[str, FakeZoneSettings] = {}
        self.services = {"ssh": [("22", "tcp")]}
        self.includes: dict[str, list[str]] = {}
        self.destinations: dict[str, dict[str, str]] = {}
        self.isPanicking = False
        self.calls: list[str] = []
        self.refusals: list[tuple[str, str, FakeDBusException]] = []
        self.asked: list[str] = []

    def refuse(self, method: str, part: str, message: str, name: str = "") -> None:
        """Refuse a method from now on if this is part of the rule."""
        error = FakeDBusException(message, name) if name else FakeDBusException(message)
        self.refusals.append((method, part, error))

    def present(self, zone: str = "public") -> dict[str, float]:
        """Return the rules in effect in a zone, and the seconds that they have left; 0 for ever."""
        now = self._clock.seconds()
        return {
            rule: end and end - now
            for rule, end in self._zone(zone).items()
            if not end or now < end
        }

    @property
    def bus(self) -> "FakeFirewalld":
        """Return the client's connection."""
        return self

    def get_is_connected(self) -> bool:
        """Return whether the connection is there."""
        return self.isOnBus

    def connect(self, signal: str, callback: Callable[..., None]) -> None:
        """Call this when a signal comes."""
        assert signal in SIGNALS, signal
        self._callbacks[signal] = callback

    def tell(self, signal: str, *arguments: object) -> None:
        """Send a signal."""
        self._callbacks[signal](*arguments)

    def call_on_disconnection(self, callback: Callable[[object], None]) -> None:
        """Call this when the bus goes away."""
        self._callbacks["disconnected"] = callback

    def disconnect(self) -> None:
        """Take the bus away."""
        self.isOnBus = False
        self._callbacks["disconnected"](self)

    def end(self, rule: str, zone: str = "public") -> None:
        """Remove a rule, as a timer does, and send the signal."""
        del self.rules[zone][rule]
        self._callbacks["richrule-removed"](zone, rule)

    def save(self) -> None:
        """Make all rules permanent, as C{--runtime-to-permanent} does, and send the signals."""
        for zone in self.rules:
            self.permanent[zone] = list(self.present(zone))
            self._callbacks["config:zone-updated"](zone)

    def config(self) -> "FakePermanent":
        """Return the permanent configuration."""
        self._check("config", "")
        return FakePermanent(self.permanent, self._check)

    def getZones(self) -> list[str]:
        """Return the names of all zones."""
        self._check("getZones", "")
        return list(self.rules)

    def reload(self) -> None:
        """Forget all rules that are not permanent, as a reload does, and send the signal."""
        self.rules = {zone: dict.fromkeys(rules, 0.0) for zone, rules in self.permanent.items()}
        self._callbacks["reloaded"]()

    def change(self, connected: bool) -> None:
        """Come or go, and send the signal."""
        self.connected = connected
        self._callbacks["connection-changed"]()

    def getActiveZones(self) -> dict[str, dict[str, list[str]]]:
        """Return the zones that have interfaces or sources."""
        self._check("getActiveZones", "")
        return self.active

    def getDefaultZone(self) -> str:
        """Return the zone of everything else."""
        self._check("getDefaultZone", "")
        return self.default

    def getEntries(self, ipset: str) -> list[str]:
        """Return the entries of an ipset."""
        if ipset not in self.ipsets:
            raise FakeDBusException(f"IPSET_WITH_TIMEOUT: {ipset}")
        return self.ipsets[ipset]

    def queryPanicMode(self) -> bool:
        """Return whether it drops everything."""
        self._check("queryPanicMode", "")
        return self.isPanicking

    def getZoneSettings(self, zone: str) -> FakeZoneSettings:
        """Return the configuration of a zone."""
        self._check("getZoneSettings", zone)
        self._zone(zone)
        return self.settings.get(zone, FakeZoneSettings())

    def getServiceSettings(self, service: str) -> FakeServiceSettings:
        """Return the configuration of a service."""
        self._check("getServiceSettings", service)
        destinations = self.destinations.get(service, {})
        return FakeServiceSettings(
            self.services[service], self.includes.get(service, []), destinations
        )

    def getRichRules(self, zone: str) -> list[str]:
        """Return the rich rules of a zone."""
        self._check("getRichRules", zone)
        return list(self.present(zone))

    def addRichRule(self, zone: str, rule: str, timeout: int = 0) -> str:
        """Add a rich rule."""
        assert isinstance(timeout, int) and timeout >= 0, "D-Bus takes whole seconds"
        priority = re.match(r'rule priority="(-?\d+)" ', rule)
        assert priority and -32768 <= int(priority[1]) <= 32767, rule
        self._check("addRichRule", rule)
        if self.isPanicking:
            raise FakeDBusException("PANIC_MODE: panic mode enabled")
        if rule in self.present(zone):
            raise FakeDBusException(f"ALREADY_ENABLED: '{rule}' already in '{zone}'")
        self.calls.append(f"add {zone} {rule}")
        self._zone(zone)[rule] = self._clock.seconds() + timeout - EARLY if timeout else 0
        return zone

    def removeRichRule(self, zone: str, rule: str) -> str:
        """Remove a rich rule."""
        self._check("removeRichRule", rule)
        if rule not in self.present(zone):
            raise FakeDBusException(f"NOT_ENABLED: '{rule}' not in '{zone}'")
        self.calls.append(f"remove {zone} {rule}")
        del self._zone(zone)[rule]
        return zone

    def _zone(self, zone: str) -> dict[str, float]:
        if zone not in self.rules:
            raise FakeDBusException(f"INVALID_ZONE: {zone}")
        return self.rules[zone]

    def _check(self, method: str, rule: str) -> None:
        self.asked.append(method)
        if not self.isOnBus:
            name = "org.freedesktop.DBus.Error.Disconnected"
            raise FakeDBusException("Connection is closed", name)
        assert self.connected, "firewalld's client swallows this: 'NoneType' has no ..."
        for refused, part, error in self.refusals:
            if refused == method and part in rule:
                raise error
