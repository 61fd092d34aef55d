"""The guard's rules that let clients begin connections. Pure."""

from collections.abc import Collection, Iterable, Iterator

from pkdoors.firewall.guard.openingsets import OpeningSet, openingSets
from pkdoors.firewall.guard.portgroups import PortGroup, portGroups
from pkdoors.firewall.guard.sets import hasUdpSessions
from pkdoors.firewall.guard.trusted import trustedSets
from pkdoors.model.doors import Door


def letInRules(group: PortGroup, protocol: str, networks: Collection[OpeningSet]) -> Iterator[str]:
    """
    Yield the rules that let in the clients that a door trusts, and those for whom a door is open.
    Trusted clients come first, so they use nothing up. Openings for one connection have rules of
    their own.
    """
    for door in group.doors:
        for trusted in trustedSets(door):
            yield f"{chainName(group, protocol)} {trusted.condition} {_verdict(protocol, door)}"
    for door in group.doors:
        for openings in openingSets(door, networks) if not door.once else ():
            yield _openingRule(group, protocol, door, openings)


def _openingRule(group: PortGroup, protocol: str, door: Door, openings: OpeningSet) -> str:
    condition = f"{openings.field} @{openings.name}"
    return f"{chainName(group, protocol)} {condition} {_verdict(protocol, door)}"


def _verdict(protocol: str, door: Door) -> str:
    """Return what happens to a packet that may begin a connection."""
    if protocol == "tcp":
        return "accept" if door.cutSessions else "goto let_in"
    return f"goto {door.name}_letin" if hasUdpSessions(door) else "accept"


def rulesForSet(doors: Iterable[Door], openings: OpeningSet) -> Iterator[str]:
    """Yield the rules for one set of openings: they can stand before all others in their chains."""
    doors = list(doors)
    for protocol in ("tcp", "udp"):
        for group in portGroups(doors, protocol):
            for door in group.doors:
                if door.name == openings.door:
                    yield _openingRule(group, protocol, door, openings)


def chainName(group: PortGroup, protocol: str) -> str:
    """Return the name of the chain that judges a group of ports."""
    return f"{group.name}_{protocol}"
