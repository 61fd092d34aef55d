"""Which address a sealed knock is bound to: the one that the host will see. Pure."""

from collections.abc import Callable
from ipaddress import ip_address

from pkdoors.client.core.stun import SCHEME, parseServer
from pkdoors.errors import BadValue
from pkdoors.model.addresses import canonicalize
from pkdoors.model.unicast import isUnicast
from pkdoors.util.quoting import shown

AUTO, NONE = "auto", "none"
ANY = "*"
"""Stands in a statement that is bound to no address."""


def parseBind(text: str) -> str:
    """
    Read C{auto}, C{none}, an address, or C{stun:HOST}.

    @return: an address in the form that statements use, or the text.
    @raise BadValue: the text is not one of these.
    """
    if text in (AUTO, NONE):
        return text
    if text.startswith(SCHEME):
        parseServer(text)
        return text
    try:
        return canonicalize(text)
    except ValueError:
        raise BadValue(
            f"{shown(text)} is not an address: use an IPv4 or IPv6 address, stun:HOST, auto or none"
        ) from None


def parseRecipient(text: str) -> str:
    """
    Read the address that the host is to open for, instead of the one that it will see.

    @return: an address in the form that statements use.
    @raise BadValue: the text is not the address of one host.
    """
    try:
        address = canonicalize(text)
    except ValueError:
        raise BadValue(f"{shown(text)} is not an IPv4 or IPv6 address") from None
    if not isUnicast(address) or ip_address(address).is_loopback:
        raise BadValue(f"{address} is not the address of one other host")
    return address


def bindFor(bind: str, destination: str, findLocalAddress: Callable[[str], str]) -> str:
    """
    Return what the statement of a knock says.

    An address that the user gave counts for destinations of its family. For other destinations, and
    for C{auto}, the knock is bound to the local address if that is global. If it is not, it is
    probably translated on the way, and the knock is bound to no address.

    @param bind: a result of L{parseBind}.
    @param findLocalAddress: finds the address that datagrams to a destination leave from.
    """
    if bind == NONE:
        return ANY
    if bind != AUTO and (":" in bind) == (":" in destination):
        return bind
    local = canonicalize(findLocalAddress(destination))
    return local if ip_address(local).is_global else ANY
