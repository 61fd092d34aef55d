"""
Which network an address is of. Pure.

Over IPv6 a host has 2**64 addresses, and a customer has 65,536 networks. What is counted of a
knocker is therefore counted for its network, or for its site.
"""

PLACES = 256
"""Hosts of one IPv6 /64 whose progress a lock remembers at a time, so no network fills its table.
Two of them disturb each other with a chance of 1 in 256, if they knock at the same moment."""

_NAT64 = "64:ff9b::"
"""How the addresses begin that IPv4 clients have behind a translator; RFC 6052. Each is a host of
its own, and all the IPv4 hosts of the world would be one network."""


def networkOf(source: str) -> str:
    """
    Return the network of an address: C{2001:db8:0:1} for a /64; an IPv4 address, also one that was
    translated to IPv6, is its own.
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
    """Return the site of a network, which one customer has: an IPv6 /48, or the IPv4 address."""
    isOne = ":" not in network or network.startswith(_NAT64)
    return network if isOne else network.rpartition(":")[0]


def placeOf(source: str, network: str) -> str:
    """Return the name under which a lock keeps the progress of an address of a network."""
    if network == source:
        return source
    # The hash of a text has a secret of this process: nobody can choose whose place to share.
    return f"{network} {hash(source) % PLACES}"
