"""Addresses of single hosts, the only ones that a knock goes to. Pure."""

from ipaddress import IPv4Network, IPv6Address, ip_address

_THIS = IPv4Network("0.0.0.0/8")
"""For Linux, 0.0.0.0 is the sender itself; C{RFC 1122}, 3.2.1.3."""
_ALL = IPv4Network("255.255.255.255/32")


def isUnicast(address: str) -> bool:
    """
    Return whether an address may belong to one host: it is not multicast, broadcast or unspecified.
    Other hosts would hear a knock on one of those, and learn the sequence.

    @param address: an IPv4 address, or an IPv6 address, perhaps with a scope.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is None:
            return not (parsed.is_multicast or parsed.is_unspecified)
        parsed = mapped
    return not (parsed.is_multicast or parsed in _THIS or parsed in _ALL)
