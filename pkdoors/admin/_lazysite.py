"""
Loads what answers the operator when somebody asks: HTTP takes 5 MB, and most daemons are never
asked.
"""

import json
from collections.abc import Callable
from threading import Thread
from typing import Any

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.admin._connections import Connections, Peer, peerOf
from pkdoors.admin._interface import AdminOperations


def inThread(work: Callable[[], None]) -> None:
    """Work beside the reactor. A daemon: the process may end before the work does."""
    Thread(target=work, name="pkdoors-admin", daemon=True).start()


_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
)
"""An answer without what answers else, which may not be loaded."""


class AdminSite(Factory):
    """
    Takes connections from the first moment. The first one has what answers them loaded, while
    knocks are heard, and until that is there, all wait.

    @param begin: has something done in a thread.
    @param peerOf: tells whose a transport is.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        operations: AdminOperations,
        begin: Callable[[Callable[[], None]], None] = inThread,
        peerOf: Callable[[Any], Peer] = peerOf,
    ) -> None:
        self.peerOf = peerOf
        self._connections = Connections(reactor.seconds)
        self._reactor = reactor
        self._operations = operations
        self._begin = begin
        self._site: Any = None
        self._isLoading = False
        self._waiting: list[Held] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """See L{twisted.internet.interfaces.IProtocolFactory}."""
        return Held(self, addr)

    def begun(self, held: "Held") -> None:
        """A connection has begun."""
        if refusal := self._connections.admit(held):
            held.refuse(refusal)
        elif self._site is not None:
            held.become(self._site.buildProtocol(held.address))
        else:
            held.wait()
            self._waiting.append(held)
            if not self._isLoading:
                self._isLoading = True
                self._begin(self._load)

    def ended(self, held: "Held") -> None:
        """A connection has ended."""
        self._connections.ended(held)
        if held in self._waiting:
            self._waiting.remove(held)

    def _load(self) -> None:
        """In the thread, where the reactor and the daemon are only passed on."""
        try:
            from pkdoors.admin._resources import makeSite

            site = makeSite(self._reactor, self._operations)
        except Exception:  # part of the program is gone or new; the doors are another part
            self._reactor.callFromThread(self._failed, Failure())
        else:
            self._reactor.callFromThread(self._loaded, site)

    def _loaded(self, site: Any) -> None:
        self._site = site
        for held in self._take():
            held.become(self._site.buildProtocol(held.address))

    def _failed(self, failure: Failure) -> None:
        self._log.failure("what answers on the admin socket could not be loaded", failure)
        for held in self._take():
            held.hangUp()

    def _take(self) -> "list[Held]":
        """Those who waited; who comes later has it loaded anew, where that failed."""
        waiting, self._waiting[:], self._isLoading = self._waiting[:], [], False
        return waiting


@implementer(IHalfCloseableProtocol)
class Held(Protocol):
    """
    A connection. Nothing is read of it until somebody answers it.

    @ivar peer: whose it is.
    @ivar descriptor: its file descriptor.
    """

    def __init__(self, site: AdminSite, address: IAddress | None) -> None:
        self.address = address
        self.peer = Peer(0, 0)
        self.descriptor = 0
        self._site = site
        self._answering: Any = None

    def connectionMade(self) -> None:
        """See L{IProtocol}."""
        transport: Any = self.transport
        self.peer, self.descriptor = self._site.peerOf(transport), transport.fileno()
        self._site.begun(self)

    def wait(self) -> None:
        """Read nothing yet."""
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def become(self, answering: Any) -> None:
        """From now on this one answers."""
        self._answering = answering
        assert self.transport is not None
        answering.makeConnection(self.transport)
        self.transport.resumeProducing()  # type: ignore[attr-defined]

    def refuse(self, reason: str) -> None:
        """Nobody will answer but with this."""
        body = json.dumps({"error": reason}).encode() + b"\n"
        assert self.transport is not None
        self.transport.write(_REFUSAL % (len(body), body))
        self.transport.loseConnection()

    def drop(self) -> None:
        """End, whatever is under way."""
        self.transport.abortConnection()  # type: ignore[union-attr]

    def hangUp(self) -> None:
        """Nobody will answer."""
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See L{IProtocol}."""
        if self._answering is not None:  # else it was refused
            self._answering.dataReceived(data)

    def readConnectionLost(self) -> None:
        """See L{IHalfCloseableProtocol}."""
        if self._answering is not None:
            self._answering.readConnectionLost()
        else:
            self.hangUp()

    def writeConnectionLost(self) -> None:
        """See L{IHalfCloseableProtocol}. We never close only half of it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{IProtocol}."""
        self._site.ended(self)
        if self._answering is not None:
            self._answering.connectionLost(reason)
