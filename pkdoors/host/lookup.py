"""Looks up the addresses of a host by its name. It blocks."""

import re
import socket
from ipaddress import ip_address

from pkdoors.errors import BadValue
from pkdoors.model.addresses import canonicalize
from pkdoors.util.quoting import quoteHost

MAX_ADDRESSES = 8
"""Addresses of one host: a name with more is not a single client."""

_NAME = re.compile(r"(?=.{1,253}\Z)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")
"""What the C library would take for an address in one of its old forms, such as C{10.1}."""


def isName(text: str) -> bool:
    """Return whether a text can be the name of a host."""
    return _NAME.fullmatch(text) is not None and _LAST.fullmatch(text) is None


def lookUp(name: str) -> list[str]:
    """
    Return the addresses of a host, over IPv4 and IPv6, as the daemon sees clients. Link-local ones
    are left out if there are others: those may belong to several hosts.

    @raise BadValue: the host has none, or too many.
    """
    try:
        found = socket.getaddrinfo(name, None, socket.AF_UNSPEC, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadValue(f"no address found for {quoteHost(name)}: {reason}") from error
    addresses = list(dict.fromkeys(canonicalize(str(entry[4][0])) for entry in found))
    addresses = [each for each in addresses if not ip_address(each).is_link_local] or addresses
    if len(addresses) > MAX_ADDRESSES:
        raise BadValue(
            f"{quoteHost(name)} has {len(addresses)} addresses, so it is not a single client: "
            "give the client's own address"
        )
    return addresses
