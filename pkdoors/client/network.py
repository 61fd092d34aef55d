"""What both drivers ask of the system: the addresses of a host, the own address, a SYN."""

import errno
import os
import socket
from collections.abc import Iterable

from pkdoors.client.core import tcpmetrics
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.plan import RoundTrip
from pkdoors.errors import NoAddress
from pkdoors.model.unicast import isUnicast
from pkdoors.util.quoting import quoteHost

MAX_ADDRESSES = 8
"""Addresses of one host to knock on: a name with more is not a single server."""

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

_ANSWER = 65_536  # bytes, more than any answer of generic netlink
_ANY_PORT = 9  # "discard"; nothing is sent to it
_SENT = (0, errno.EINPROGRESS, errno.ECONNREFUSED, errno.EWOULDBLOCK)
"""Results of connecting that mean that the SYN was sent. The host itself may refuse at once."""


def lookUp(host: str, family: int | None = None) -> list[str]:
    """
    Return the addresses of a host, in the system's order, without those that are not one host's.
    This waits for an answer.

    @param family: 4 or 6 for only those.
    @raise NoAddress: the host has none.
    """
    if "\0" in host:  # the system would look up what is before it
        raise NoAddress(f"no address found for {quoteHost(host)}: it has a null byte")
    # Python loads a codec for text, but passes on bytes as they are. A name with a device in it is
    # not a domain name.
    name = os.fsencode(host) if host.isascii() or "%" in host else host
    try:
        found = socket.getaddrinfo(name, None, FAMILIES[family], socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        kind = f"IPv{family} " if family else ""
        reason = getattr(error, "strerror", None) or error
        raise NoAddress(f"no {kind}address found for {quoteHost(host)}: {reason}") from error
    addresses = dict.fromkeys(_addScope(*entry[4]) for entry in found)
    usable = [address for address in addresses if isUnicast(address)]
    if not usable:
        raise NoAddress(
            f"{quoteHost(host)} is {', '.join(addresses)}, which is not the address of one host: "
            "give the address of the host itself"
        )
    return usable[:MAX_ADDRESSES]


def familyOf(address: str) -> socket.AddressFamily:
    """Return the family of an address, as sockets want it."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def findLocalAddress(address: str) -> str:
    """
    Return the address that datagrams to another address leave from. Nothing is sent.

    @raise OSError: there is no route to it.
    """
    with socket.socket(familyOf(address), socket.SOCK_DGRAM) as probe:
        probe.connect((address, _ANY_PORT))
        return str(probe.getsockname()[0])


def sendSyn(address: str, port: int) -> None:
    """
    Begin a connection, and give it up at once: the kernel has sent its first packet, and that is
    the knock. If the connection stayed open, the kernel would send the packet again after a second
    without an answer, when later knocks have arrived already: that would be a wrong order.

    @raise OSError: nothing was sent.
    """
    with socket.socket(familyOf(address), socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        result = connection.connect_ex((address, port))
        if result not in _SENT:
            names: dict[int, str] = getattr(socket, "errorTab", {})  # of Windows
            raise OSError(result, names.get(result) or os.strerror(result))


def suitPath(attempt: Attempt, addresses: Iterable[str]) -> Attempt:
    """Return an attempt that suits the path to some addresses."""
    return attempt.suit(map(findRoundTrip, addresses))


def findRoundTrip(address: str) -> RoundTrip | None:
    """
    Return the round trip to a host, as Linux remembers it from earlier connections.

    @return: L{None} if the system does not know.
    """
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, tcpmetrics.PROTOCOL
        ) as kernel:
            kernel.send(tcpmetrics.askForFamily())  # the kernel answers before this returns
            family = tcpmetrics.readFamily(kernel.recv(_ANSWER))
            kernel.send(tcpmetrics.askForMetrics(family, address))
            return tcpmetrics.readRoundTrip(kernel.recv(_ANSWER), family)
    except (OSError, AttributeError, ValueError):
        return None


def describeError(error: OSError) -> str:
    """Return why a datagram or a SYN could not be sent."""
    # Linux knows the broadcast addresses of its networks; on Windows, a firewall is the reason.
    if error.errno == errno.EACCES and not hasattr(error, "winerror"):
        return "it is the address of a whole network, not of one host"
    return error.strerror or str(error)


def _addScope(address: str, port: int, flow: int = 0, scope: int = 0) -> str:
    """Return an address with the number of the interface, which a link-local one needs."""
    return f"{address}%{scope}" if scope and "%" not in address else address
