"""
Loads the HTTP server when a first client connects: it takes 5 MB, and most daemons never have one.
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

from pkdoors.admin._connections import MAX_CONNECTIONS, Connections, Peer, findPeer
from pkdoors.admin.operations import AdminOperations


def runInThread(work: Callable[[], None]) -> None:
    """Work beside the reactor, in a daemon thread: the process may end before the work does."""
    Thread(target=work, name="pkdoors-admin", daemon=True).start()


_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
)
"""An answer that does not need the HTTP server, which may not be loaded."""


class AdminSite(Factory):
    """
    Takes connections from the first moment. The first one has the server loaded in a thread, while
    knocks are heard, and all connections wait until that is done.

    @param runInThread: runs a function in a thread.
    @param findPeer: returns the process at the other end of a transport.
    @cvar name: what the socket is called.
    @cvar most: how many connections there may be at a time.
    """

    name = "the admin socket"
    most = MAX_CONNECTIONS
    noisy = False
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        operations: AdminOperations,
        runInThread: Callable[[Callable[[], None]], None] = runInThread,
        findPeer: Callable[[Any], Peer] = findPeer,
    ) -> None:
        self.findPeer = findPeer
        self._connections = Connections(reactor.seconds, self.most, self.name)
        self._reactor = reactor
        self._operations = operations
        self._runInThread = runInThread
        self._site: Any = None
        self._isLoading = False
        self._waiting: list[HeldConnection] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """See L{twisted.internet.interfaces.IProtocolFactory}."""
        return HeldConnection(self, addr)

    def add(self, connection: "HeldConnection") -> None:
        """Refuse a new connection, have the server answer it, or let it wait for the server."""
        if refusal := self._connections.admit(connection):
            connection.refuse(refusal)
        elif self._site is not None:
            connection.handOver(self._site.buildProtocol(connection.address))
        else:
            connection.wait()
            self._waiting.append(connection)
            if not self._isLoading:
                self._isLoading = True
                self._runInThread(self._load)

    def remove(self, connection: "HeldConnection") -> None:
        """Forget a connection that has ended."""
        self._connections.remove(connection)
        if connection in self._waiting:
            self._waiting.remove(connection)

    def makeServer(self, reactor: Any, operations: AdminOperations) -> Any:
        """Load and return the server."""
        from pkdoors.admin._resources import makeSite

        return makeSite(reactor, operations)

    def _load(self) -> None:
        """Load the server, in the thread; the reactor and the daemon are only passed on there."""
        try:
            site = self.makeServer(self._reactor, self._operations)
        except Exception:  # part of the program is missing or new; the doors do not need it
            self._reactor.callFromThread(self._onFailed, Failure())
        else:
            self._reactor.callFromThread(self._onLoaded, site)

    def _onLoaded(self, site: Any) -> None:
        self._site = site
        for connection in self._takeWaiting():
            connection.handOver(self._site.buildProtocol(connection.address))

    def _onFailed(self, failure: Failure) -> None:
        self._log.failure("the server for {name} could not be loaded", failure, name=self.name)
        for connection in self._takeWaiting():
            connection.hangUp()

    def _takeWaiting(self) -> "list[HeldConnection]":
        """Return the connections that wait; after a failure the next one loads the server again."""
        waiting, self._waiting[:], self._isLoading = self._waiting[:], [], False
        return waiting


@implementer(IHalfCloseableProtocol)
class HeldConnection(Protocol):
    """
    A connection. Nothing is read from it until the server answers it.

    @ivar peer: the process at its other end.
    @ivar descriptor: its file descriptor.
    """

    def __init__(self, site: AdminSite, address: IAddress | None) -> None:
        self.address = address
        self.peer = Peer(0, 0)
        self.descriptor = 0
        self._site = site
        self._server: Any = None

    def connectionMade(self) -> None:
        """See L{IProtocol}."""
        transport: Any = self.transport
        self.peer, self.descriptor = self._site.findPeer(transport), transport.fileno()
        self._site.add(self)

    def wait(self) -> None:
        """Read nothing yet."""
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def handOver(self, server: Any) -> None:
        """Let a protocol of the server answer from now on."""
        self._server = server
        assert self.transport is not None
        server.makeConnection(self.transport)
        self.transport.resumeProducing()  # type: ignore[attr-defined]

    def refuse(self, reason: str) -> None:
        """Answer with this reason, and close."""
        body = json.dumps({"error": reason}).encode() + b"\n"
        assert self.transport is not None
        self.transport.write(_REFUSAL % (len(body), body))
        self.transport.loseConnection()

    def drop(self) -> None:
        """Abort, whatever is under way."""
        self.transport.abortConnection()  # type: ignore[union-attr]

    def hangUp(self) -> None:
        """Close without an answer."""
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """See L{IProtocol}."""
        if self._server is not None:  # else it was refused
            self._server.dataReceived(data)

    def readConnectionLost(self) -> None:
        """See L{IHalfCloseableProtocol}."""
        if self._server is not None:
            self._server.readConnectionLost()
        else:
            self.hangUp()

    def writeConnectionLost(self) -> None:
        """See L{IHalfCloseableProtocol}. The server never closes only its half."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{IProtocol}."""
        self._site.remove(self)
        if self._server is not None:
            self._server.connectionLost(reason)
