"""Addresses of clients, those that no client can have, and those that several can have."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from pkdoors.model.addresses import Address
from pkdoors.model.sources import Source, isNetwork, readSource

SHARED = (
    "a link-local address may belong to other hosts, too, on other networks of this host: use an "
    "address of another kind"
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_EVERYBODY = IPv4Address("255.255.255.255")
"""The kernel knows it as a broadcast address only if it has a route to it."""
_LINK_LOCAL = IPv6Network("fe80::/10")
_DISCARD = 9
"""The port for a connection that never sends anything; RFC 863."""


def findUseless(source: Source, isHeard: bool = False) -> str:
    """
    Return why a door must not open for an address or a network; empty if it may.

    @param isHeard: whether a knock has come from just this address, so a client has it.
    """
    if not isHeard and not canBeClient(source):
        if isNetwork(source):
            return f"no client has an address in {source}: give a network that clients are in"
        return f"no client has the address {source}: give the address of one client"
    return SHARED if isShared(source) else ""


def readClient(text: str) -> Source:
    """
    Return the source that a text of the kernel's or of ours means, as L{readSource} does.

    @raise ValueError: it is not a source.
    """
    if ":" in text or "/" in text:
        return readSource(text)
    try:
        # ip_address() takes several times as long, and all of it delays an opening.
        return IPv4Address(int.from_bytes(socket.inet_pton(socket.AF_INET, text)))
    except OSError as error:
        raise ValueError(f"{text!r} is not an IPv4 address") from error


def canBeClient(source: Source) -> bool:
    """Return whether clients can have this address, or those of this network, as far as known."""
    if isinstance(source, IPv4Network | IPv6Network):
        return not (source.is_multicast or source.is_loopback or source.overlaps(_THIS_NETWORK))
    return _canBeClient(source)


def _canBeClient(address: Address) -> bool:
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        return False
    if isinstance(address, IPv4Address):
        isReserved = address in _THIS_NETWORK or address == _EVERYBODY
        return not isReserved and not _isBroadcast(address)
    return True


def readLinks() -> str:
    """Return the kernel's list of this host's IPv6 addresses; empty without IPv6."""
    try:
        return Path("/proc/self/net/if_inet6").read_text()
    except FileNotFoundError:
        return ""


def isShared(source: Source) -> bool:
    """
    Return whether several clients can have an address, or one of a network: a link-local one, one
    on each of this host's links. An opening does not name a link, so it would let all of them in.
    """
    if isinstance(source, IPv6Network):
        isLinkLocal = source.overlaps(_LINK_LOCAL)
    else:
        isLinkLocal = isinstance(source, IPv6Address) and source.is_link_local
    if not isLinkLocal:
        return False
    return len({line.split()[-1] for line in readLinks().splitlines()} - {"lo"}) > 1


def _isBroadcast(address: IPv4Address) -> bool:
    """
    Return whether an address is the broadcast address of one of this host's networks.

    The kernel knows, and nothing is sent: a socket can connect to a broadcast address only with
    SO_BROADCAST; C{ip(7)}. A route of the type "prohibit" refuses with it, too.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
        if _connects(probe, address):
            return False
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return _connects(probe, address)


def _connects(probe: socket.socket, address: IPv4Address) -> bool:
    try:
        probe.connect((str(address), _DISCARD))
    except OSError:
        return False
    return True
