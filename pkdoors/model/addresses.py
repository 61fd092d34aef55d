"""Addresses as values and as text. Pure."""

from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


def normalizeSource(host: str) -> str:
    """An address as the kernel tells it, IPv4-mapped ones as IPv4 and without scope."""
    # What is written as it is to be is most, and reading it would take longer than all else.
    if ":" not in host or ("." not in host and "%" not in host):
        return host
    return canonicalize(host)


def canonicalize(text: str) -> str:
    """
    An address as the daemon sees it: without a scope, and IPv4 where it is mapped into IPv6.

    @raise ValueError: it is no address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
