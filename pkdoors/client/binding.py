"""To which address a sealed knock is bound: the one that the sender will be seen from. Pure."""

from collections.abc import Callable
from ipaddress import ip_address

from pkdoors.errors import BadValue
from pkdoors.model.addresses import canonical
from pkdoors.util.quoting import shown

AUTO, NONE = "auto", "none"
ANY = "*"
"""What a statement says that is bound to no address."""


def parseBind(text: str) -> str:
    """
    Read C{auto}, C{none} or an address.

    @return: an address as statements write it.
    @raise BadValue: it is none of these.
    """
    if text in (AUTO, NONE):
        return text
    try:
        return canonical(text)
    except ValueError:
        raise BadValue(f"{shown(text)} is none of: auto, none, an IPv4 or IPv6 address") from None


def bindFor(bind: str, destination: str, localAddress: Callable[[str], str]) -> str:
    """
    What the statement of a knock says.

    An address that was asked for counts for destinations of its family; for the others it is as
    for C{auto}: the local address, but where that is not a global one, and probably is translated
    on the way, none.

    @param bind: what L{parseBind} gave.
    @param localAddress: finds the address that datagrams to a destination leave from.
    """
    if bind == NONE:
        return ANY
    if bind != AUTO and (":" in bind) == (":" in destination):
        return bind
    local = canonical(localAddress(destination))
    return local if ip_address(local).is_global else ANY
