"""
Translates between pkdoors and firewalld's client. Everything here blocks, in the thread that owns
the connection.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld._routes import findHardwareAddress, findRouteInterface
from pkdoors.firewall.firewalld.connection import (
    SILENT,
    FirewalldRefusal,
    FirewalldTimeout,
    connect,
    translateErrors,
)
from pkdoors.firewall.firewalld.richrules import isOurs
from pkdoors.firewall.firewalld.zones import (
    ActiveZones,
    Client,
    findZone,
    hasHardwareSources,
    hasInterfaces,
    zonesOfInterface,
)
from pkdoors.model.sources import Source
from pkdoors.model.trusted import Interface

_MOVES = (
    "default-zone-changed",
    "interface-added",
    "interface-removed",
    "source-added",
    "source-removed",
    "zone-of-interface-changed",
    "zone-of-source-changed",
)
"""Signals after which firewalld may assign packets to other zones."""

_SETTINGS = (
    "panic-mode-disabled",
    "panic-mode-enabled",
    "port-added",
    "port-removed",
    "protocol-added",
    "protocol-removed",
    "service-added",
    "service-removed",
    "zone-updated",
)
"""Signals after which firewalld may let everybody reach other ports."""


class ZoneClient:
    """
    firewalld's zones.

    @param zone: the only zone to use; empty for the zones that firewalld chooses.
    """

    def __init__(self, zone: str = "", connect: Callable[[], Any] = connect) -> None:
        self._zone = zone
        self._connect = connect
        self._client = connect()
        self._isSilent = False
        self._onLost: Callable[[str], None] = lambda cause: None
        self._onSaved: Callable[[str], None] = lambda zone: None
        self._isWanted: Callable[[str, str], bool] = lambda zone, rule: False
        self._onSettings: Callable[[], None] = lambda: None

    def listen(
        self,
        onLost: Callable[[str], None],
        onSaved: Callable[[str], None],
        isWanted: Callable[[str, str], bool],
        onSettings: Callable[[], None],
    ) -> None:
        """
        Listen to firewalld's signals in this thread, also after firewalld was restarted.

        @param onLost: called with a cause when firewalld may have forgotten our rules; also when it
            did not answer, because it may still execute that call later.
        @param onSaved: called with a zone after rules of ours that had become permanent there were
            removed.
        @param isWanted: returns whether a rule that was removed from a zone must exist.
        @param onSettings: called when zones may let everybody reach other ports than before.
        """
        self._onLost, self._onSaved, self._isWanted = onLost, onSaved, isWanted
        self._onSettings = onSettings
        self._listen()

    def _listen(self) -> None:
        self._client.connect("reloaded", lambda: self._onLost("firewalld was reloaded"))
        for signal in _MOVES:
            self._client.connect(signal, self._onMoved)
        for signal in _SETTINGS:
            self._client.connect(signal, lambda *_: self._onSettings())
        self._client.connect("richrule-removed", self._onRemoved)
        self._client.connect("connection-changed", self._onConnectionChanged)
        self._client.connect("config:zone-updated", self._onZoneSaved)
        self._client.bus.call_on_disconnection(
            lambda _: self._onLost("the system's D-Bus went away")
        )

    def _onMoved(self, *_: object) -> None:
        self._onLost("firewalld's zones were changed")

    def _onRemoved(self, zone: str, rule: str) -> None:
        """
        Restore a removed rule. Somebody may have removed it, or one of firewalld's timers from
        before a reload: such a timer survives the reload, and ends the same rule although that was
        added again, with a timer of its own.
        """
        if self._isWanted(zone, rule):
            self._onLost("firewalld ended a rule of pkdoors")

    def _onConnectionChanged(self) -> None:
        self._onLost("firewalld is back" if self._client.connected else "firewalld went away")

    def _onZoneSaved(self, zone: str) -> None:
        try:
            self.takeSaved([zone])
        except FirewallError as error:
            self._onLost(str(error))

    def knockZones(self) -> list[str]:
        """Return the zones in which knocks can arrive: all that judge packets."""
        if self._zone:
            return [self._zone]
        return sorted({*self._activeZones(), self._defaultZone()})

    def trustedZones(self, interface: Interface | None) -> list[str]:
        """
        Return the zones in which packets can arrive at a trusted interface.

        @param interface: L{None} for all interfaces, as for packets of a trusted network.
        """
        if self._zone or interface is None:
            return self.knockZones()
        return zonesOfInterface(interface.name, self._activeZones(), self._defaultZone())

    def zonesFinder(self) -> Callable[[Source], tuple[str, ...]]:
        """
        Return a function that finds the zones of a source, by the present configuration: the one of
        an address, or all that judge packets, since a network may be spread over them.
        """
        if self._zone:
            return lambda source: (self._zone,)
        active, default = self._activeZones(), self._defaultZone()
        byHardware, byInterface = hasHardwareSources(active), hasInterfaces(active, default)
        entries = cache(self._entries)

        def find(source: Source) -> tuple[str, ...]:
            if isinstance(source, IPv4Network | IPv6Network):
                return tuple(sorted({*active, default}))
            hardware = findHardwareAddress(source) if byHardware else ""
            interface = findRouteInterface(source) if byInterface else ""
            return (findZone(Client(source, interface, hardware), active, default, entries),)

        return find

    def rules(self, zone: str) -> list[str]:
        """Return the rich rules of a zone."""
        return list(self.ask("getRichRules", zone))

    def allRules(self) -> dict[str, list[str]]:
        """Return the rich rules of all zones."""
        return {str(zone): self.rules(zone) for zone in self.ask("getZones")}

    def add(self, zone: str, rule: str, seconds: int = 0) -> None:
        """Add a rich rule, for some seconds, or if 0, until it is removed."""
        try:
            self.ask("addRichRule", zone, rule, seconds)
        except FirewalldRefusal as error:
            if error.code != "ALREADY_ENABLED":
                raise
            if seconds:  # firewalld would keep the old timeout
                self.remove(zone, rule)
                self.ask("addRichRule", zone, rule, seconds)

    def remove(self, zone: str, rule: str) -> None:
        """Remove a rich rule; a missing rule is not an error."""
        try:
            self.ask("removeRichRule", zone, rule)
        except FirewalldRefusal as error:
            if error.code != "NOT_ENABLED":
                raise

    def release(self) -> list[str]:
        """
        Remove all our rules from all zones, including those that C{--runtime-to-permanent} made
        permanent.

        @return: what was removed, a line each.
        """
        removed = []
        for zone, rules in self.allRules().items():
            for rule in filter(isOurs, rules):
                self.remove(zone, rule)
                removed.append(f"firewalld, zone {zone}: {rule}")
        saved = self.takeSaved()
        return removed + [f"firewalld, zone {zone}, permanent: {rule}" for zone, rule in saved]

    def takeSaved(self, zones: Iterable[str] | None = None) -> list[tuple[str, str]]:
        """
        Remove our rules from the permanent configuration, where C{--runtime-to-permanent} put them.

        @param zones: the zones to look at; L{None} for all.
        @return: the zone and the text of each rule that was removed.
        """
        config = self.ask("config")
        removed = []
        for zone in translateErrors(config.getZoneNames) if zones is None else zones:
            rules = translateErrors(partial(_takeOurs, config, zone))
            if rules:
                self._onSaved(zone)
            removed += [(str(zone), rule) for rule in rules]
        return removed

    def _activeZones(self) -> ActiveZones:
        zones: ActiveZones = self.ask("getActiveZones")
        return zones

    def _defaultZone(self) -> str:
        return str(self.ask("getDefaultZone"))

    def _entries(self, ipset: str) -> list[str]:
        try:
            return [str(entry) for entry in self.ask("getEntries", ipset)]
        except FirewalldRefusal:  # a set whose entries time out does not list them
            return []

    def ask(self, method: str, *arguments: object) -> Any:
        """
        Call a method of firewalld's client.

        @raise FirewallError: firewalld refused, or did not answer.
        """
        client = translateErrors(self._reachable)
        wasSilent, self._isSilent = self._isSilent, False
        try:
            return translateErrors(lambda: getattr(client, method)(*arguments))
        except FirewalldTimeout:
            self._isSilent = True
            if not wasSilent:
                self._onLost("firewalld did not answer")
            raise

    def _reachable(self) -> Any:
        """Return the client; a new one if the bus was restarted, which ends all connections."""
        if not self._client.bus.get_is_connected():
            self._client = self._connect()
            self._listen()
        if not self._client.connected:
            raise FirewalldTimeout(SILENT)
        return self._client


def _takeOurs(config: Any, zone: str) -> list[str]:
    permanent = config.getZoneByName(zone)
    rules = [rule for rule in map(str, permanent.getRichRules()) if isOurs(rule)]
    for rule in rules:
        permanent.removeRichRule(rule)
    return rules
