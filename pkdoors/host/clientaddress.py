"""Addresses of clients, those that no client can have, and those that several can have."""

import socket
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from pkdoors.model.addresses import Address

SHARED = (
    "a link-local address may belong to other hosts, too, on other networks of this host: use an "
    "address of another kind"
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_DISCARD = 9
"""The port for a connection that never sends anything; RFC 863."""


def parseSource(source: str) -> Address:
    """
    Return an address that has the form which the kernel gives it.

    @raise ValueError: it is not an address.
    """
    if ":" in source:
        return ip_address(source)
    try:
        # ip_address() takes several times as long, and all of it delays an opening.
        return IPv4Address(int.from_bytes(socket.inet_pton(socket.AF_INET, source)))
    except OSError as error:
        raise ValueError(f"{source!r} is not an IPv4 address") from error


def canBeClient(address: Address) -> bool:
    """Return whether a single client can have this address, as far as this host knows."""
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        return False
    if isinstance(address, IPv4Address):
        return address not in _THIS_NETWORK and not _isBroadcast(address)
    return True


def readLinks() -> str:
    """Return the kernel's list of this host's IPv6 addresses; empty without IPv6."""
    try:
        return Path("/proc/self/net/if_inet6").read_text()
    except FileNotFoundError:
        return ""


def isShared(address: Address) -> bool:
    """
    Return whether several clients can have an address: a link-local one, one on each of this host's
    links. An opening does not name a link, so it would let all of them in.
    """
    if address.version == 4 or not address.is_link_local:
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
