"""Sends knocks to the addresses of a host."""

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from pkdoors.client._plan import Sending
from pkdoors.errors import KnockError
from pkdoors.model.knockports import TcpPort
from pkdoors.model.unicast import isUnicast
from pkdoors.util.quoting import quoteHost

MAX_ADDRESSES = 8
"""Addresses of one host to knock on: a name with more is not a single server."""

_SENT = (0, errno.EINPROGRESS, errno.ECONNREFUSED)
"""Results of connecting that mean that the SYN was sent. The host itself may refuse at once."""

FAMILY_NAMES: dict[int, str] = {socket.AF_INET: "IPv4 ", socket.AF_INET6: "IPv6 "}


async def resolve(reactor: Any, host: str, family: int = socket.AF_UNSPEC) -> list[str]:
    """
    Return the addresses of a host, in the system's order, without those that are not one host's.

    @param family: C{AF_INET} or C{AF_INET6} for only those.
    @raise KnockError: the host has none.
    """
    try:
        found = await deferToThreadPool(
            reactor,
            reactor.getThreadPool(),
            socket.getaddrinfo,
            os.fsencode(host) if "%" in host else host,  # no domain name has a device in it
            None,
            family,
            socket.SOCK_DGRAM,
        )
    except (OSError, UnicodeError) as error:
        kind = FAMILY_NAMES.get(family, "")
        reason = getattr(error, "strerror", None) or error
        raise KnockError(f"no {kind}address found for {quoteHost(host)}: {reason}") from error
    addresses = dict.fromkeys(_addScope(*entry[4]) for entry in found)
    usable = [address for address in addresses if isUnicast(address)]
    if not usable:
        raise KnockError(
            f"{quoteHost(host)} is {', '.join(addresses)}, which is not the address of one host: "
            "give the address of the host itself"
        )
    return usable[:MAX_ADDRESSES]


def _describeError(error: OSError) -> str:
    if error.errno == errno.EACCES:  # the kernel knows the broadcast addresses of its networks
        return "it is the address of a whole network, not of one host"
    return error.strerror or str(error)


def _addScope(address: str, port: int, flow: int = 0, scope: int = 0) -> str:
    """Return an address with the number of the interface, which a link-local one needs."""
    return f"{address}%{scope}" if scope and "%" not in address else address


def sendSyn(address: str, port: int) -> None:
    """
    Begin a connection, and give it up at once: the kernel has sent its first packet, and that is
    the knock. If the connection stayed open, the kernel would send the packet again after a second
    without an answer, when later knocks have arrived already: that would be a wrong order.

    @raise OSError: nothing was sent.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        result = connection.connect_ex((address, port))
        if result not in _SENT:
            raise OSError(result, os.strerror(result))


class Knocker:
    """
    Sends knocks.

    @param plan: returns what to send to an address; it is called again for each knock.
    @param sendSyn: knocks on a TCP port.
    """

    def __init__(
        self,
        reactor: Any,
        plan: Callable[[str], Awaitable[Iterable[Sending]]],
        sendSyn: Callable[[str, int], None] = sendSyn,
    ) -> None:
        self._reactor = reactor
        self._plan = plan
        self._sendSyn = sendSyn

    async def knock(self, addresses: Iterable[str]) -> list[str]:
        """
        Knock on the IPv4 and the IPv6 addresses at the same time, since the user's program can
        connect to either. Addresses of one family come one after another: they may belong to one
        host, which would hear the two sequences mixed.

        @return: the addresses that could be knocked on.
        @raise KnockError: no address could be knocked on.
        """
        addresses = list(addresses)
        families = (
            [address for address in addresses if ":" not in address],
            [address for address in addresses if ":" in address],
        )
        errors: dict[str, str] = {}
        works = (self._knockEach(family, errors) for family in families)
        await gatherResults([Deferred.fromCoroutine(work) for work in works], consumeErrors=True)
        if len(errors) == len(addresses):
            raise KnockError("cannot knock on {}: {}".format(*errors.popitem()))
        return [address for address in addresses if address not in errors]

    async def _knockEach(self, addresses: Iterable[str], errors: dict[str, str]) -> None:
        for address in addresses:
            try:
                await self._knockOne(address)
            except KnockError as error:
                errors[address] = str(error)
            except OSError as error:
                errors[address] = _describeError(error)
            except CannotListenError as error:  # this host has no IPv6, say
                errors[address] = error.socketError.strerror or str(error)

    async def _knockOne(self, address: str) -> None:
        local = "::" if ":" in address else ""
        sender = self._reactor.listenUDP(0, DatagramProtocol(), interface=local)
        try:
            for pause, port, datagram in await self._plan(address):
                if pause:
                    await deferLater(self._reactor, pause)
                if isinstance(port, TcpPort):
                    self._sendSyn(address, port.number)
                else:
                    sender.write(datagram, (address, port))
        finally:
            sender.stopListening()
