"""
Notices that this host has got another address of its own: whom a door is open for has moved then.

The kernel tells of new addresses and routes by netlink; C{rtnetlink(7)}, C{linux/rtnetlink.h}.
Systems without that are looked at every few seconds.
"""

import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.client import _localaddress as ownaddress

SETTLE = 0.3
"""Seconds from the first of what the kernel tells to the look: it comes in bursts."""

PACE = 5.0
"""Seconds between two looks where the kernel does not tell."""

READS_PER_TURN = 64
"""Messages read at once: a router can have many thousand routes."""

MAX_MESSAGE = 65_536

_NETLINK_ROUTE = 0
_GROUPS = 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_IPV4_IFADDR, ..._ROUTE, RTMGRP_IPV6_..., the same


def listenToRoutes() -> socket.socket:
    """
    A socket on which the kernel tells of new addresses and routes.

    @raise OSError: this one does not.
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink")
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    listening = socket.socket(socket.AF_NETLINK, kind, _NETLINK_ROUTE)
    listening.bind((0, _GROUPS))
    return listening


def localAddress(other: str) -> str | None:
    """The address that this host has towards another; L{None} where there is no way."""
    try:
        return ownaddress.localAddress(other)
    except OSError:
        return None


@implementer(IReadDescriptor)
class RouteListener:
    """
    @param changed: called when the kernel told something.
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
        """What it is does not matter."""
        for _ in range(READS_PER_TURN):
            try:
                self._socket.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: it told more than the socket could hold
                pass
            self._onChanged()

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket."""
        self._socket.close()


class Roaming:
    """
    @param moved: called when this host has a new address towards the others.
    """

    def __init__(self, reactor: Any, onMoved: Callable[[], None]) -> None:
        self._reactor = reactor
        self._onMoved = onMoved
        self._others: list[str] = []
        self._known: set[str | None] = set()
        self._call: IDelayedCall | None = None
        self._routes: RouteListener | None = None

    def watchTowards(self, others: Iterable[str]) -> None:
        """Which others count from now on."""
        self._others = list(others)
        self._known = self._ownAddresses()

    def start(self) -> None:
        """Begin."""
        try:
            self._routes = RouteListener(listenToRoutes(), lambda: self._lookIn(SETTLE))
        except OSError:
            self._lookIn(PACE)
        else:
            self._reactor.addReader(self._routes)

    def stop(self) -> None:
        """End it."""
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
        return {localAddress(each) for each in self._others} - {None}
