"""UDP sockets on this host: open one, bind it, and explain why that fails."""

import errno
import os
import socket
from functools import lru_cache
from ipaddress import ip_address

from pkdoors.errors import ListenError
from pkdoors.host.descriptors import moveUp
from pkdoors.knockports._recvmmsg import SO_TIMESTAMPNS
from pkdoors.model.addresses import Address

ANY = {4: "0.0.0.0", 6: "::"}
"""Every address, by the version of IP."""

BUFFER = 1 << 20
"""Bytes that a socket holds for us while we are busy, unless the host's net.core.rmem_max is lower:
several hundred knocks, since the kernel counts each as nearly a kilobyte. A larger buffer would
make an honest knock wait for more of a flood that we cannot keep up with."""

REMEDIES = {
    errno.EADDRINUSE: "another program uses those that are missing (`pkdoors check` shows which): "
    "stop that program, or use other knock ports",
    errno.EACCES: "ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE",
    errno.EAFNOSUPPORT: "this host has no IPv6: use --interface 0.0.0.0",
    errno.EMFILE: "this process has no file descriptor left: raise LimitNOFILE= of the service "
    "(`ulimit -n` elsewhere)",
}
"""What the operator can do about an error that waiting for an address does not cure."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# IP_FREEBIND and IPV6_FREEBIND of linux/in.h and linux/in6.h, with their levels.
_FREEBIND = {4: (socket.IPPROTO_IP, 15), 6: (socket.IPPROTO_IPV6, 78)}

Endpoint = tuple[str, int]
"""A local address, or one of L{ANY}, and a port."""


@lru_cache(64)  # thousands of sockets have the same few
def parseInterface(interface: str) -> Address:
    """Return a local address without the name of its interface."""
    return ip_address(interface.partition("%")[0])


def hasAddress(interface: str) -> bool:
    """Return whether this host has a local address now."""
    try:
        bindUDP(interface, 0).close()
    except ListenError:
        return False
    return True


def hasIPv6() -> bool:
    """Return whether this host has IPv6: the kernel may lack it, or be told not to use it."""
    return hasAddress(ANY[6])


def bindUDP(interface: str, port: int) -> socket.socket:
    """
    Return a UDP socket on one port of one address that this host has.

    @raise ListenError: the port is taken or not permitted, or the host does not have the address.
    """
    try:
        udp = openUDP(interface, mayBeMissing=False)
        try:
            bindTo(udp, (interface, port))
        except OSError:
            udp.close()
            raise
    except OSError as error:
        raise ListenError(explainBinding(error, interface)) from error
    return udp


def openUDP(interface: str, isHigh: bool = False, mayBeMissing: bool = True) -> socket.socket:
    """
    Return a new UDP socket that is not bound yet.

    @param isHigh: whether its descriptor goes above L{pkdoors.host.descriptors.LOW}.
    @param mayBeMissing: whether the host may not have the address yet.
    """
    version = parseInterface(interface).version
    udp = socket.socket(_FAMILIES[version], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if isHigh:
        udp = moveUp(udp)
    try:
        if version == 6:  # IPv4 has a socket of its own
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if mayBeMissing and interface != ANY[version]:
            udp.setsockopt(*_FREEBIND[version], 1)
    except OSError:
        udp.close()
        raise
    return udp


def bindTo(udp: socket.socket, endpoint: Endpoint) -> None:
    """
    Bind a socket to an address and a port.

    @raise OSError: the kernel refuses.
    """
    interface, port = endpoint
    # As bytes: Python spells text as a domain name, and an interface's name is something else.
    found = socket.getaddrinfo(
        os.fsencode(interface), port, udp.family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    udp.bind(found[0][4])


def explainBinding(error: OSError, interface: str) -> str:
    """Return why a socket cannot be bound. This names no port: the ports are the secret."""
    return REMEDIES.get(error.errno or 0) or f"{interface}: {error.strerror or error}"
