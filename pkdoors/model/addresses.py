"""Addresses as values and as text. Pure."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

MAX_HOST = 253
"""Letters of the longest name; RFC 1035."""
_HOST = re.compile(r"[\w:][\w.:%-]*")

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


def checkHost(text: str) -> str:
    """
    Return a text that can be the name or the address of a host, and nothing else to any program
    that it is given to: not an option, nor a path, nor several words.

    @raise BadValue: it cannot.
    """
    if len(text) > MAX_HOST or not _HOST.fullmatch(text):
        raise BadValue(f"{shown(text)} is not a name or address of a host")
    return text
