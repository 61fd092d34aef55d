"""
Notices when this host gets a new address: the door is open for the old one only.

The kernel reports new addresses and routes by netlink; C{rtnetlink(7)}, C{linux/rtnetlink.h}. On
systems without netlink, the addresses are compared every few seconds.
"""

import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.client.network import findLocalAddress

SETTLE = 0.3
"""Seconds from the kernel's first message to the comparison: messages come in bursts."""

PACE = 5.0
"""Seconds between two comparisons if the kernel does not report changes."""

READS_PER_TURN = 64
"""Messages read at once: a router can have many thousands of routes."""

MAX_MESSAGE = 65_536

_NETLINK_ROUTE = 0
_GROUPS = 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_IPV4_IFADDR, ..._ROUTE, RTMGRP_IPV6_..., the same


def listenToRoutes() -> socket.socket:
    """
    Return a socket on which the kernel reports new addresses and routes.

    @raise OSError: this kernel does not report them.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink")
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    listening = socket.socket(socket.AF_NETLINK, kind, _NETLINK_ROUTE)
    try:
        listening.bind((0, _GROUPS))
    except OSError:  # Android forbids it to programs that are not the system's
        listening.close()
        raise
    return listening


def addressTowards(other: str) -> str | None:
    """Return the address that this host has towards another; L{None} if there is no route."""
    try:
        return findLocalAddress(other)
    except OSError:
        return None


@implementer(IReadDescriptor)
class RouteListener:
    """
    Reads the kernel's reports.

    @param onChanged: called when the kernel has reported something.
    """

    def __init__(self, listening: socket.socket, onChanged: Callable[[], None]) -> None:
        self._socket = listening
        self._onChanged = onChanged

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "routes"

    def doRead(self) -> None:
        """Empty the socket; which addresses or routes changed does not matter."""
        for _ in range(READS_PER_TURN):
            try:
                self._socket.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: the kernel had more to report than the socket could hold
                pass
            self._onChanged()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


class Roaming:
    """
    Compares the addresses that this host has with those that it had before.

    @param onMoved: called when this host has a new address towards the others.
    """

    def __init__(self, reactor: Any, onMoved: Callable[[], None]) -> None:
        self._reactor = reactor
        self._onMoved = onMoved
        self._others: list[str] = []
        self._known: set[str | None] = set()
        self._call: IDelayedCall | None = None
        self._routes: RouteListener | None = None

    def watchTowards(self, others: Iterable[str]) -> None:
        """Watch the addresses that this host has towards these others."""
        self._others = list(others)
        self._known = self._ownAddresses()

    def start(self) -> None:
        """Start watching."""
        try:
            self._routes = RouteListener(listenToRoutes(), lambda: self._lookIn(SETTLE))
        except OSError:
            self._lookIn(PACE)
        else:
            self._reactor.addReader(self._routes)

    def stop(self) -> None:
        """Stop watching."""
        if self._call:
            self._call.cancel()
            self._call = None
        if self._routes:
            self._reactor.removeReader(self._routes)
            self._routes.connectionLost(Failure(ConnectionError()))

    def _lookIn(self, seconds: float) -> None:
        if not self._call:
            self._call = self._reactor.callLater(seconds, self._look)

    def _look(self) -> None:
        self._call = None
        if not self._routes:
            self._lookIn(PACE)
        before, self._known = self._known, self._ownAddresses()
        if self._known - before:
            self._onMoved()

    def _ownAddresses(self) -> set[str | None]:
        return {addressTowards(other) for other in self._others} - {None}
