"""
Networks and interfaces from which clients need no knock. Pure.

An interface is only a name here: it may appear later. Its name comes into the text of firewall
rules, so it is checked strictly.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address, ip_network

from pkdoors.errors import BadValue
from pkdoors.model.ports import parseEach, splitList
from pkdoors.model.sources import MAPPED, Network
from pkdoors.util.quoting import shown

MAX_TRUSTED = 64
"""Networks and interfaces of one door: each length of a network costs a rule, which each packet to
the door's ports passes."""

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
"""Names that the kernel allows, without those that nft or a shell could misread."""
_NUMERIC = re.compile(r"[0-9.]+|.*[:/].*", re.DOTALL)
"""What is meant as an address or a network. The kernel allows no colon or slash in a name."""
_ALLOWED = "write a network like 192.168.1.0/24 or fd00::/8, or the name of an interface like wg0"


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface of this host, whether it exists or not."""

    name: str

    def __str__(self) -> str:
        return self.name


Trusted = Network | Interface
"""Clients that are trusted: those of a network, or those whose packets arrive at an interface."""


def parseTrusted(text: str) -> Trusted:
    """
    Read a network, an address, or the name of an interface.

    @raise BadValue: it is not one of these, or is everybody.
    """
    text = text.strip()
    if not _NUMERIC.fullmatch(text):
        if not isInterfaceName(text):
            raise BadValue(f"{shown(text)} is neither a network nor an interface: {_ALLOWED}")
        return Interface(text)
    if "%" in text:
        raise BadValue(f"{shown(text)} is a network on one interface: write only the interface")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{shown(text)} is not a network: {_ALLOWED}") from None
    address = ip_address(text.partition("/")[0])
    if network.network_address != address:
        raise BadValue(
            f"{text} has bits after its length, so it is not a network: write {network} or "
            f"{address}"
        )
    return _refuseOdd(network)


def isInterfaceName(name: str) -> bool:
    """Return whether this is the name of an interface that can be trusted."""
    return _INTERFACE.fullmatch(name) is not None


def _refuseOdd(network: Network) -> Network:
    if network.prefixlen == 0:
        raise BadValue(
            f"{network} is everybody, so nothing would protect the ports: name the networks that "
            "you trust"
        )
    if isinstance(network, IPv6Network) and network.overlaps(MAPPED):
        raise BadValue(f"{network} has IPv4 addresses in it: write them as IPv4")
    return network


def parseTrustedList(text: str) -> tuple[Trusted, ...]:
    """
    Read the trusted networks and interfaces of a door, C{192.168.1.0/24,fd00::/8,wg0}. What is
    given twice counts once; an empty text means nobody.

    @raise BadValue: an item is not allowed, or there are too many.
    """
    if not text.strip():
        return ()
    found = tuple(dict.fromkeys(parseEach(splitList(text, "networks"), parseTrusted)))
    if len(found) > MAX_TRUSTED:
        raise BadValue(
            f"there are {len(found)} trusted networks and interfaces: name at most {MAX_TRUSTED}, "
            "or larger networks"
        )
    return found


def listNetworks(trusted: Iterable[Trusted]) -> list[Network]:
    """Return the networks alone."""
    return [source for source in trusted if not isinstance(source, Interface)]


def listInterfaces(trusted: Iterable[Trusted]) -> list[str]:
    """Return the names of the interfaces alone."""
    return [source.name for source in trusted if isinstance(source, Interface)]
