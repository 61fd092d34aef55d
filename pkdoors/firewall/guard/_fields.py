"""What the guard's rules compare, as nft writes it. Pure."""

from collections.abc import Iterator

from pkdoors.firewall.guard.portgroups import PortGroup
from pkdoors.model.doors import Door

IP = {4: "ip", 6: "ip6"}
NFPROTO = {4: "ipv4", 6: "ipv6"}


def openingsOf(group: PortGroup) -> Iterator[tuple[str, int, Door]]:
    """
    Yield the field that is compared, the version of IP, and the door, for each set of openings.
    """
    for door in group.doors:
        for v in (4, 6):
            yield sourceOf(door, v), v, door


def sourceOf(door: Door, v: int) -> str:
    """Return the field that is compared with the openings of a door."""
    return f"{IP[v]} saddr"


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
