"""What to hear, and which UDP sockets that takes."""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from pkdoors.errors import ListenError
from pkdoors.host.bpf import assemble
from pkdoors.host.descriptors import computeLimit, getLimit, getSocketRoom
from pkdoors.knockports.binding import ANY, Endpoint, hasIPv6, parseInterface
from pkdoors.knockports.filters import TAKE_ALL, addressFilter
from pkdoors.model.addresses import Address
from pkdoors.model.knockports import KnockPort, TcpPort

NO_FILTERS: Mapping[int, bytes] = MappingProxyType({})

_TAKE_ALL = assemble(TAKE_ALL)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What to listen on.

    @ivar ports: the knock ports over UDP.
    @ivar interfaces: the local addresses; empty for all that the host has.
    @ivar tcpPorts: the numbers of the knock ports over TCP, which no socket can hear.
    @ivar filters: for each port, the program of L{pkdoors.host.bpf} that selects what is heard
        there; a port without one hears everything.
    """

    ports: tuple[int, ...] = ()
    interfaces: tuple[str, ...] = ()
    filters: Mapping[int, bytes] = field(default_factory=lambda: NO_FILTERS)
    tcpPorts: tuple[int, ...] = ()

    def knockPorts(self) -> list[KnockPort]:
        """Return all knock ports."""
        return [*self.ports, *map(TcpPort, self.tcpPorts)]

    def addresses(self, version: int) -> tuple[str, ...]:
        """Return the addresses of one version of IP to hear; L{ANY} for all."""
        chosen = [name for name in self.interfaces if parseInterface(name).version == version]
        if not self.interfaces or ANY[version] in chosen:
            return (ANY[version],)
        return tuple(chosen)

    def versions(self) -> list[int]:
        """Return the versions of IP to hear: IPv6 only if the host has it, or by name."""
        wantsIPv6 = bool(self.interfaces) or hasIPv6()
        return [
            version for version in ANY if self.addresses(version) and (version == 4 or wantsIPv6)
        ]

    def needs(self) -> int:
        """Return the number of sockets that it takes to hear everything."""
        return len(self.ports) * len(self.versions())

    def program(self, endpoint: Endpoint) -> bytes:
        """Return the filter for a socket at an endpoint; empty for none."""
        interface, port = endpoint
        knocks = self.filters.get(port, b"")
        if not self.needsAddressFilter(interface):
            return knocks
        addresses = self.addresses(parseInterface(interface).version)
        return addressFilter(tuple(_withInterfaces(addresses))) + (knocks or _TAKE_ALL)

    def needsAddressFilter(self, interface: str) -> bool:
        """Return whether a socket there also gets datagrams to addresses that we do not want."""
        isAny = interface in ANY.values()
        return isAny and interface not in self.addresses(parseInterface(interface).version)

    def isScoped(self) -> bool:
        """Return whether an address belongs to a named interface, whose number may change."""
        return any("%" in interface for interface in self.interfaces)


def _withInterfaces(addresses: Iterable[str]) -> Iterator[tuple[Address, int]]:
    """Yield addresses with the number of their interface; skip those without their interface."""
    for address in addresses:
        _, _, scope = address.partition("%")
        with suppress(OSError):
            yield parseInterface(address), _interfaceNumber(scope) if scope else 0


def _interfaceNumber(scope: str) -> int:
    """Return an interface's number as C{getaddrinfo} finds it: digits may be a name, too."""
    try:
        return socket.if_nametoindex(scope)
    except OSError:
        if scope.isdecimal():
            return int(scope)
        raise


def checkFits(plan: Plan) -> None:
    """
    Check that this process may open as many sockets as a plan needs.

    @raise ListenError: it may not.
    """
    needed = plan.needs()
    if needed > getSocketRoom():
        raise ListenError(explainLimit(needed))


def explainLimit(needed: int) -> str:
    """Return a sentence that says how many sockets are needed, and how to allow them."""
    return (
        f"the knock ports need {needed} sockets, and this process may open {getLimit()} files: "
        f"raise LimitNOFILE= of the service (`ulimit -n` elsewhere) to {computeLimit(needed)} or "
        'more, or set listen = "capture" and restart the daemon: then it needs no sockets'
    )
