"""
Finds the zone to which firewalld assigns a packet, and describes what zones let everybody reach.

Pure: the facts are arguments. The order is firewalld's own, C{firewalld.zones(5)}: source bindings
come before interfaces, and overlapping source bindings are ordered by the zones' names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network

from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

ActiveZones = Mapping[str, Mapping[str, Iterable[str]]]
"""The result of firewalld's C{getActiveZones}: name -> C{"interfaces"} and C{"sources"}."""


@dataclass(frozen=True, slots=True)
class Client:
    """
    The source of a client's packets.

    @ivar interface: the interface of the route back to it; empty if there is none.
    @ivar hardware: its hardware address on the local network in lower case, or empty.
    """

    address: Address
    interface: str = ""
    hardware: str = ""


def findZone(
    client: Client,
    active: ActiveZones,
    default: str,
    entries: Callable[[str], Iterable[str]],
) -> str:
    """
    Return the zone to which firewalld assigns a client's packets.

    @param entries: returns the entries of an ipset by name.
    """
    for zone in sorted(active):
        for source in active[zone].get("sources", ()):
            name = source.removeprefix("ipset:")
            members = [source] if name == source else entries(name)
            if any(_matches(client, member) for member in members):
                return zone
    return _zoneOf(client.interface, active, default)


def _zoneOf(interface: str, active: ActiveZones, default: str) -> str:
    """Return the zone of an interface."""
    for matches in (str.__eq__, _isWildcard):
        for zone, bound in active.items():
            if any(matches(pattern, interface) for pattern in bound.get("interfaces", ())):
                return zone
    return default


def zonesOfInterface(interface: str, active: ActiveZones, default: str) -> list[str]:
    """
    Return the zones to which firewalld may assign packets that arrive at an interface: its own, and
    those of sources, which come first.
    """
    bySource = [zone for zone, bound in active.items() if list(bound.get("sources", ()))]
    return sorted({_zoneOf(interface, active, default), *bySource})


def hasInterfaces(active: ActiveZones, default: str) -> bool:
    """Return whether the interface of a client can matter: it costs a look-up to find."""
    return any(bound.get("interfaces") for zone, bound in active.items() if zone != default)


def _matches(client: Client, source: str) -> bool:
    if client.hardware and source.lower() == client.hardware:
        return True
    try:
        network = ip_network(source, strict=False)
    except ValueError:  # a hardware address, or an ipset's entry of several parts
        return False
    return client.address.version == network.version and client.address in network


def _isWildcard(pattern: str, interface: str) -> bool:
    return pattern.endswith("+") and interface.startswith(pattern[:-1])


def hasHardwareSources(active: ActiveZones) -> bool:
    """Return whether the hardware address of a client can matter: it costs a look-up to find."""
    sources = [source for bound in active.values() for source in bound.get("sources", ())]
    return any(source.startswith("ipset:") or source.count(":") == 5 for source in sources)


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    Something in a zone that lets everybody reach ports.

    @ivar ports: the ports; L{None} for all of them.
    @ivar what: its name for the operator: C{"service ssh"}.
    @ivar remedy: the commands that remove it.
    """

    ports: PortRange | None
    what: str
    remedy: str

    def reaches(self, ports: PortRange) -> bool:
        """Return whether it exposes any of these ports."""
        return self.ports is None or self.ports.overlaps(ports)


def removeCommands(zone: str, option: str) -> str:
    """Return the commands that remove something from a zone, now and permanently."""
    command = "firewall-cmd --zone=" + zone
    return f"`{command} {option}` and, permanently, `{command} --permanent {option}`"


@dataclass(frozen=True)
class Zone:
    """
    One of firewalld's zones.

    @ivar target: what happens to packets on which no rule decides.
    @ivar exposures: what the zone lets everybody reach.
    @ivar rules: its rich rules.
    """

    name: str
    target: str
    exposures: tuple[Exposure, ...] = ()
    rules: tuple[str, ...] = ()

    @cached_property
    def _ruleSet(self) -> frozenset[str]:
        return frozenset(self.rules)

    def has(self, rule: str) -> bool:
        """Return whether the zone has a rich rule."""
        return rule in self._ruleSet

    def exposing(self, ports: PortRange) -> list[Exposure]:
        """Return what lets everybody reach one of these ports."""
        return [exposure for exposure in self.exposures if exposure.reaches(ports)]
