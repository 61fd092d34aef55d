"""
Which network an address is of. Pure.

Over IPv6 a host has 2**64 addresses, and a customer has 65,536 networks. What is counted of a
knocker is therefore counted for its network, or for its site.
"""

PLACES = 256
"""Hosts of one IPv6 /64 whose progress a lock remembers at a time, so no network fills its table.
Two of them disturb each other with a chance of 1 in 256, if they knock at the same moment."""


def networkOf(source: str) -> str:
    """Return the network of an address: C{2001:db8:0:1} for a /64; an IPv4 address is its own."""
    if ":" not in source:
        return source
    head, _, tail = source.partition("::")
    groups = head.split(":") if head else []
    if len(groups) < 4:
        ending = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(ending)) + ending
    return ":".join(groups[:4])


def siteOf(network: str) -> str:
    """Return the site of a network, which one customer has: an IPv6 /48, or the IPv4 address."""
    return network.rpartition(":")[0] if ":" in network else network


def placeOf(source: str, network: str) -> str:
    """Return the name under which a lock keeps the progress of an address of a network."""
    if network == source:
        return source
    # The hash of a text has a secret of this process: nobody can choose whose place to share.
    return f"{network} {hash(source) % PLACES}"
