"""Addresses that no client can have."""

import socket
from ipaddress import IPv4Address, IPv4Network

from pkdoors.doors import Address

_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_DISCARD = 9
"""The port of a connection over which nothing is sent; RFC 863."""


def canBeClient(address: Address) -> bool:
    """Return whether one client can have this address, as far as this host knows."""
    if address.is_unspecified or address.is_multicast or address.is_loopback:
        return False
    if isinstance(address, IPv4Address):
        return address not in _THIS_NETWORK and not _isBroadcast(address)
    return True


def _isBroadcast(address: IPv4Address) -> bool:
    """
    Ask the kernel, which knows all networks of this host, without sending anything: to connect to a
    broadcast address needs SO_BROADCAST; C{ip(7)}. A route that prohibits is refused either way.
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
