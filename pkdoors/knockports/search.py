"""
Opens the UDP sockets that a plan needs, and says why others cannot be had.

We bind a knock port at every address, of IPv4 and of IPv6, whatever the configuration says: then no
other user of the host can have it at any address. The filter on its socket decides which addresses
are heard. So we hear an address that the host does not have yet as soon as it comes, and a change
of addresses neither binds a port nor releases one.

If another program has the port at some address, so that we cannot have it at all of them, we bind
it at each of the addresses that the configuration names.
"""

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass

from pkdoors.host.descriptors import getSocketRoom
from pkdoors.host.socketfilter import attachFilter
from pkdoors.knockports._socket import KnockSocket, sharing
from pkdoors.knockports.binding import (
    ANY,
    REMEDIES,
    Endpoint,
    bindTo,
    explainBinding,
    openUDP,
    parseInterface,
)
from pkdoors.knockports.plan import Plan, explainLimit

MANY = 256
"""Sockets that may have low descriptors; see L{pkdoors.host.descriptors.LOW}."""

# Why we cannot have a port at all addresses, though perhaps at some: another program has it at one
# of them, or the kernel does not filter, or not by so many addresses.
_AT_EACH_ADDRESS = {errno.EADDRINUSE, errno.ENOPROTOOPT, errno.EINVAL, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A socket that could not be opened.

    @ivar number: of L{errno}; 0 if there was no more room for it.
    """

    endpoint: Endpoint
    number: int
    reason: str

    @property
    def isLasting(self) -> bool:
        """Return whether it remains when the host gets the address."""
        return self.number in REMEDIES


class Search:
    """
    Opens the sockets that a plan lacks, as L{steps} are taken.

    @param held: the sockets that we have already.
    @ivar fresh: those that were opened. Nothing has been read from them yet.
    @ivar failures: those that could not be opened.
    """

    def __init__(self, plan: Plan, held: Mapping[Endpoint, KnockSocket]) -> None:
        self.plan = plan
        self._held = held
        self._room = getSocketRoom() - len(held)
        self._noRoom = ""
        self.fresh: dict[Endpoint, socket.socket] = {}
        self.failures: list[Failure] = []
        self._ports = frozenset(plan.ports)
        self._ours: dict[tuple[int, int], list[KnockSocket]] = {}  # by version of IP, and port
        for (interface, port), udp in held.items():
            key = parseInterface(interface).version, port
            self._ours.setdefault(key, []).append(udp)

    def now(self) -> "Search":
        """Take all steps at once, and return this."""
        for _ in self.steps():
            pass
        return self

    def steps(self) -> Iterator[None]:
        """Open the sockets, one after another: there may be thousands."""
        plan = self.plan
        wanted = plan.versions()
        for version in wanted:
            for port in plan.ports:
                self._seek(version, port)
                yield
        # Reserve the ports even in a version of IP that we do not hear: nobody else may have them.
        for version in ANY:
            for port in plan.ports if version not in wanted else ():
                self._reserve((ANY[version], port))
                yield

    def close(self) -> None:
        """Close the sockets that were opened."""
        for udp in self.fresh.values():
            udp.close()

    def isKept(self, endpoint: Endpoint) -> bool:
        """Return whether the plan can use a socket of ours."""
        interface, port = endpoint
        if port not in self._ports:
            return False
        everywhere = ANY[parseInterface(interface).version]
        if interface == everywhere:
            return True
        isEverywhere = (everywhere, port) in self._held or (everywhere, port) in self.fresh
        addresses = self.plan.addresses(parseInterface(interface).version)
        return not isEverywhere and (interface in addresses or everywhere in addresses)

    def _seek(self, version: int, port: int) -> None:
        """Open a port at every address; if that fails, at each address that the plan names."""
        everywhere = (ANY[version], port)
        if everywhere in self._held:
            return
        addresses = self.plan.addresses(version)
        ours = self._ours.get((version, port), [])
        hasChoice = ANY[version] not in addresses
        if (ours and hasChoice) or not self._try(everywhere, ours, isLast=not hasChoice):
            for address in addresses if hasChoice else ():
                if (address, port) not in self._held:
                    self._try((address, port))

    def _try(
        self, endpoint: Endpoint, ours: Iterable[KnockSocket] = (), isLast: bool = True
    ) -> bool:
        """
        Open a socket. Return whether nothing else is left to try.

        @param ours: sockets of ours that have the port at other addresses.
        @param isLast: whether a failure counts, since there is no other way to have the port.
        """
        if self._room <= 0:
            self._noRoom = self._noRoom or explainLimit(self.plan.needs())
            self.failures.append(Failure(endpoint, 0, self._noRoom))
            return True  # no other way has more room
        try:
            with ExitStack() as stack:
                for udp in ours:
                    stack.enter_context(udp.shared())
                self._open(endpoint, isShared=bool(ours))
        except OSError as error:
            if not isLast and error.errno in _AT_EACH_ADDRESS:
                return False
            reason = explainBinding(error, endpoint[0])
            self.failures.append(Failure(endpoint, error.errno or -1, reason))
        return True

    def _reserve(self, endpoint: Endpoint) -> None:
        if endpoint not in self._held and self._room > 0:
            with suppress(OSError):  # we do not need it to hear knocks
                self._open(endpoint)

    def _open(self, endpoint: Endpoint, isShared: bool = False) -> None:
        isHigh = len(self._held) + len(self.fresh) >= MANY
        udp = openUDP(endpoint[0], isHigh)
        try:
            # Filter before binding: no datagram can come before the filter is there.
            if program := self.plan.program(endpoint):
                isNeeded = self.plan.needsAddressFilter(endpoint[0])
                with nullcontext() if isNeeded else suppress(OSError):
                    attachFilter(udp, program)
            with sharing(udp) if isShared else nullcontext():
                bindTo(udp, endpoint)
        except OSError:
            udp.close()
            raise
        self.fresh[endpoint] = udp
        self._room -= 1
