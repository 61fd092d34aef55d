"""
Which of firewalld's zones a packet is put in, and what a zone lets everybody reach.

Pure: the facts are arguments. The order is firewalld's own, C{firewalld.zones(5)}: a source
binding counts before the interface's, and overlapping source bindings go by the zone's name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network

from pkdoors.model.addresses import Address
from pkdoors.model.ports import PortRange

ActiveZones = Mapping[str, Mapping[str, Iterable[str]]]
"""What firewalld's C{getActiveZones} gives: name -> C{"interfaces"} and C{"sources"}."""


@dataclass(frozen=True, slots=True)
class Client:
    """
    How a client's packets come in.

    @ivar interface: the interface on the route back to it; empty where there is none.
    @ivar hardware: its hardware address on the local network, small letters, or empty.
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
    The zone that firewalld puts a client's packets in.

    @param entries: gives the entries of an ipset by its name.
    """
    for zone in sorted(active):
        for source in active[zone].get("sources", ()):
            name = source.removeprefix("ipset:")
            members = [source] if name == source else entries(name)
            if any(_matches(client, member) for member in members):
                return zone
    for matches in (str.__eq__, _isWildcard):
        for zone, bound in active.items():
            if any(matches(each, client.interface) for each in bound.get("interfaces", ())):
                return zone
    return default


def hasInterfaces(active: ActiveZones, default: str) -> bool:
    """Whether the interface that a client comes in at can matter: it costs a look-up to find."""
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
    """Whether a client's hardware address can matter: it costs a look-up to find."""
    sources = [source for bound in active.values() for source in bound.get("sources", ())]
    return any(source.startswith("ipset:") or source.count(":") == 5 for source in sources)


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    Something in a zone that lets everybody reach ports.

    @ivar ports: the ports; L{None} for all of them.
    @ivar what: its name for people, C{"service ssh"}.
    @ivar remedy: the commands that end it.
    """

    ports: PortRange | None
    what: str
    remedy: str

    def reaches(self, ports: PortRange) -> bool:
        """Whether it reaches any of these ports."""
        return self.ports is None or self.ports.overlaps(ports)


def removeCommands(zone: str, option: str) -> str:
    """The commands that remove something from a zone, now and for good."""
    command = "firewall-cmd --zone=" + zone
    return f"`{command} {option}` and, for good, `{command} --permanent {option}`"


@dataclass(frozen=True)
class Zone:
    """
    @ivar target: what becomes of packets that nothing else decides on.
    @ivar exposures: what it lets everybody reach.
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
        """Return whether it has a rich rule."""
        return rule in self._ruleSet

    def exposing(self, ports: PortRange) -> list[Exposure]:
        """What lets everybody reach one of these ports."""
        return [each for each in self.exposures if each.reaches(ports)]
