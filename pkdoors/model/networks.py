"""
The network of an address. Pure.

In IPv6 a host has 2**64 addresses, and a customer has 65,536 networks. So the daemon counts what a
knocker does for its network, or for its site.
"""

PLACES = 256
"""Hosts of one IPv6 /64 whose progress a lock remembers at a time, so no network fills its table.
Two hosts that knock at the same moment disturb each other with a chance of 1 in 256."""

_NAT64 = "64:ff9b::"
"""The prefix of the addresses that a translator gives IPv4 clients; RFC 6052. Each of these is a
host of its own; as one network they would be all the IPv4 hosts of the world."""


def networkOf(source: str) -> str:
    """
    Return the network of an address: C{2001:db8:0:1} for a /64. An IPv4 address, even if translated
    to IPv6, is its own network.
    """
    if ":" not in source or source.startswith(_NAT64):
        return source
    head, _, tail = source.partition("::")
    groups = head.split(":") if head else []
    if len(groups) < 4:
        ending = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(ending)) + ending
    return ":".join(groups[:4])


def siteOf(network: str) -> str:
    """Return the site of a network, as one customer has it: an IPv6 /48, or the IPv4 address."""
    isOne = ":" not in network or network.startswith(_NAT64)
    return network if isOne else network.rpartition(":")[0]


def placeOf(source: str, network: str) -> str:
    """Return the name under which a lock keeps the progress of an address in a network."""
    if network == source:
        return source
    # The hash uses a secret of this process, so nobody can choose to share another host's place.
    return f"{network} {hash(source) % PLACES}"
