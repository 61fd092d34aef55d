"""What the guard's rules compare, as nft writes it. Pure."""

from collections.abc import Collection, Iterator

from pkdoors.firewall.guard.openingsets import OpeningSet, openingSets
from pkdoors.firewall.guard.portgroups import PortGroup
from pkdoors.model.doors import Door

IP = {4: "ip", 6: "ip6"}
NFPROTO = {4: "ipv4", 6: "ipv6"}


def openingsOf(
    group: PortGroup, networks: Collection[OpeningSet]
) -> Iterator[tuple[Door, OpeningSet]]:
    """Yield all sets of openings that let clients in to a group of ports, each with its door."""
    for door in group.doors:
        for openings in openingSets(door, networks):
            yield door, openings


def flow(protocol: str, v: int) -> str:
    """Return the key of a flow, in a packet from the client."""
    ip, p = IP[v], protocol
    return f"{ip} saddr . {ip} daddr . {p} sport . {p} dport"


def back(protocol: str, v: int) -> str:
    """Return the key of a flow, in a packet to the client."""
    ip, p = IP[v], protocol
    return f"{ip} daddr . {ip} saddr . {p} dport . {p} sport"


def lines(rules: str) -> list[str]:
    """Return rules, of which each is a line."""
    return rules.strip().split("\n")
