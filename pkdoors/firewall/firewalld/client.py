"""
What pkdoors asks of firewalld, in its own words. Everything here blocks, in the thread that owns
the connection.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
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
)
from pkdoors.model.addresses import Address

_MOVES = (
    *("default-zone-changed", "interface-added", "interface-removed"),
    *("zone-of-interface-changed", "zone-of-source-changed", "source-added", "source-removed"),
)
"""Signals after which packets may be put in other zones than before."""


class ZoneClient:
    """
    firewalld's zones.

    @param zone: the zone for everything; empty for what firewalld says.
    """

    def __init__(self, zone: str = "", connect: Callable[[], Any] = connect) -> None:
        self._zone = zone
        self._connect = connect
        self._client = connect()
        self._isSilent = False
        self._lost: Callable[[str], None] = lambda why: None
        self._saved: Callable[[str], None] = lambda zone: None
        self._isWanted: Callable[[str, str], bool] = lambda zone, rule: False

    def listen(
        self,
        lost: Callable[[str], None],
        saved: Callable[[str], None],
        isWanted: Callable[[str, str], bool],
    ) -> None:
        """
        Hear from firewalld, in this thread, for as long as it lasts and again when it is back.

        @param lost: called with a reason when it may have forgotten all our rules; also when it
            did not answer, for nobody knows what it makes of that question later.
        @param saved: called with a zone when rules of ours had become permanent ones of it, and
            were removed there.
        @param isWanted: whether a rule that was removed from a zone ought to be there.
        """
        self._lost, self._saved, self._isWanted = lost, saved, isWanted
        self._listen()

    def _listen(self) -> None:
        self._client.connect("reloaded", lambda: self._lost("firewalld was reloaded"))
        for signal in _MOVES:
            self._client.connect(signal, self._moved)
        self._client.connect("richrule-removed", self._removed)
        self._client.connect("connection-changed", lambda: self._lost(self._change()))
        self._client.connect("config:zone-updated", self._zoneSaved)
        self._client.bus.call_on_disconnection(lambda _: self._lost("the system's D-Bus went away"))

    def _moved(self, *_: object) -> None:
        self._lost("firewalld's zones were changed")

    def _removed(self, zone: str, rule: str) -> None:
        """By somebody; or by a timer of firewalld's that was there before a reload, and outlives
        it: it ends the same rule, though that is there anew, with another timer."""
        if self._isWanted(zone, rule):
            self._lost("firewalld ended a rule of pkdoors")

    def _change(self) -> str:
        return "firewalld is back" if self._client.connected else "firewalld went away"

    def _zoneSaved(self, zone: str) -> None:
        try:
            self.takeSaved([zone])
        except FirewallError as error:
            self._lost(str(error))

    def knockZones(self) -> list[str]:
        """The zones in which knocks can arrive: all that have packets to judge."""
        if self._zone:
            return [self._zone]
        return sorted({*self._activeZones(), self._defaultZone()})

    def zoneFinder(self) -> Callable[[Address], str]:
        """What tells the zone that the packets of an address are put in, as things are now."""
        if self._zone:
            return lambda source: self._zone
        active, default = self._activeZones(), self._defaultZone()
        byHardware, byInterface = hasHardwareSources(active), hasInterfaces(active, default)
        entries = cache(self._entries)

        def find(source: Address) -> str:
            hardware = findHardwareAddress(source) if byHardware else ""
            interface = findRouteInterface(source) if byInterface else ""
            return findZone(Client(source, interface, hardware), active, default, entries)

        return find

    def rules(self, zone: str) -> list[str]:
        """The rich rules of a zone."""
        return list(self._ask("getRichRules", zone))

    def allRules(self) -> dict[str, list[str]]:
        """The rich rules of all zones."""
        return {str(zone): self.rules(zone) for zone in self._ask("getZones")}

    def add(self, zone: str, rule: str, seconds: int = 0) -> None:
        """Add a rich rule, for so many seconds or (0) until it is removed."""
        try:
            self._ask("addRichRule", zone, rule, seconds)
        except FirewalldRefusal as error:
            if error.code != "ALREADY_ENABLED":
                raise
            if seconds:  # firewalld would keep the old timeout
                self.remove(zone, rule)
                self._ask("addRichRule", zone, rule, seconds)

    def remove(self, zone: str, rule: str) -> None:
        """Remove a rich rule; that it is not there is no error."""
        try:
            self._ask("removeRichRule", zone, rule)
        except FirewalldRefusal as error:
            if error.code != "NOT_ENABLED":
                raise

    def release(self) -> list[str]:
        """
        Remove all our rules, of all zones, those too that C{--runtime-to-permanent} made permanent.

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

        @param zones: L{None} for all.
        @return: zone and rule of each that was removed.
        """
        config = self._ask("config")
        removed = []
        for zone in translateErrors(config.getZoneNames) if zones is None else zones:
            rules = translateErrors(partial(_takeOurs, config, zone))
            if rules:
                self._saved(zone)
            removed += [(str(zone), rule) for rule in rules]
        return removed

    def _activeZones(self) -> ActiveZones:
        zones: ActiveZones = self._ask("getActiveZones")
        return zones

    def _defaultZone(self) -> str:
        return str(self._ask("getDefaultZone"))

    def _entries(self, ipset: str) -> list[str]:
        try:
            return [str(entry) for entry in self._ask("getEntries", ipset)]
        except FirewalldRefusal:  # a set whose entries time out does not tell them
            return []

    def _ask(self, method: str, *arguments: object) -> Any:
        client = translateErrors(self._reachable)
        wasSilent, self._isSilent = self._isSilent, False
        try:
            return translateErrors(lambda: getattr(client, method)(*arguments))
        except FirewalldTimeout:
            self._isSilent = True
            if not wasSilent:
                self._lost("firewalld did not answer")
            raise

    def _reachable(self) -> Any:
        """The client; a new one where the bus was started anew, for its connections are not."""
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
