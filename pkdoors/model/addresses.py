"""Addresses as values and as text. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


def normalizeSource(host: str) -> str:
    """Return an address from the kernel without scope, and as IPv4 if it is mapped into IPv6."""
    # Most addresses are in that form already, and parsing would take longer than all else.
    if ":" not in host or ("." not in host and "%" not in host):
        return host
    return canonicalize(host)


def canonicalize(text: str) -> str:
    """
    Return an address as the daemon sees it: without a scope, and as IPv4 if it is mapped into IPv6.

    @raise ValueError: it is not an address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
