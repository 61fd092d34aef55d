"""What both drivers ask of the system: the addresses of a host, the own address, a SYN."""

import errno
import os
import socket

from pkdoors.errors import NoAddress
from pkdoors.model.unicast import isUnicast
from pkdoors.util.quoting import quoteHost

MAX_ADDRESSES = 8
"""Addresses of one host to knock on: a name with more is not a single server."""

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

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
    name = os.fsencode(host) if "%" in host else host  # no domain name has a device in it
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


def describeError(error: OSError) -> str:
    """Return why a datagram or a SYN could not be sent."""
    # Linux knows the broadcast addresses of its networks; on Windows, a firewall is the reason.
    if error.errno == errno.EACCES and not hasattr(error, "winerror"):
        return "it is the address of a whole network, not of one host"
    return error.strerror or str(error)


def _addScope(address: str, port: int, flow: int = 0, scope: int = 0) -> str:
    """Return an address with the number of the interface, which a link-local one needs."""
    return f"{address}%{scope}" if scope and "%" not in address else address
