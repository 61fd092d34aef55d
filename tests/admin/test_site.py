"""Tests of L{pkdoors.admin._lazysite}."""

import sys
from collections.abc import Callable
from itertools import count
from queue import Queue
from threading import Thread, current_thread
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin._connections import MAX_CONNECTIONS, Peer
from pkdoors.admin._lazysite import AdminSite, runInThread
from tests.admin.case import Connection, FakeOperations, goAway
from tests.fakes.log import Log
from tests.fakes.modules import replaceModule
from tests.fakes.reactor import FakeReactor


def ignore(work: Callable[[], None]) -> None:
    """Never load the server."""


class SiteTests(SynchronousTestCase):
    """Tests of L{AdminSite}."""

    def setUp(self) -> None:
        """Have a site that nobody has connected to yet."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.begun: list[Callable[[], None]] = []
        self.peers = count(1)
        self.site = AdminSite(self.reactor, FakeOperations(), self.begun.append, self.findPeer)

    def findPeer(self, transport: object) -> Peer:
        """Let each connection come from another process of root's."""
        return Peer(0, next(self.peers))

    def connect(self) -> tuple[Any, Connection]:
        """Connect a client."""
        protocol, transport = self.site.buildProtocol(None), Connection()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def load(self) -> None:
        """Do the thread's work, and give the reactor a turn."""
        self.begun.pop()()
        self.reactor.advance(0)

    def isAnswered(self, protocol: Any, transport: Connection) -> bool:
        """Return whether a client's request is read and answered."""
        protocol.dataReceived(b"GET /status HTTP/1.1\r\nHost: pkdoors\r\n\r\n")
        self.reactor.advance(0)
        return transport.producerState == "producing" and b"200 OK" in transport.value()

    def test_first(self) -> None:
        """The first clients wait, unread, while the server is loaded, once, in a thread."""
        first, second = self.connect(), self.connect()
        states = {transport.producerState for _, transport in (first, second)}
        self.assertEqual((1, {"paused"}), (len(self.begun), states))
        self.load()
        self.assertTrue(self.isAnswered(*first) and self.isAnswered(*second))

    def test_later(self) -> None:
        """Later clients do not wait."""
        self.connect()
        self.load()
        later = self.connect()
        self.assertEqual([], self.begun)
        self.assertTrue(self.isAnswered(*later))

    def test_gone(self) -> None:
        """A client that goes away, before or after the loading, does no harm."""
        lost, stays = self.connect(), self.connect()
        goAway(lost[0])
        self.load()
        self.assertTrue(self.isAnswered(*stays))
        goAway(stays[0])
        self.assertEqual((b"", []), (lost[1].value(), self.log.lines()))

    def test_failed(self) -> None:
        """A failure to load is logged, no client is left waiting, and the next one tries again."""
        name = "pkdoors.admin._resources"
        whole = sys.modules[name]
        replaceModule(self, name, None)
        protocol, transport = self.connect()
        self.load()
        self.assertTrue(transport.disconnecting)
        goAway(protocol)
        self.assertEqual(1, len(self.flushLoggedErrors(ImportError)))
        replaceModule(self, name, whole)
        another = self.connect()
        self.load()
        self.assertTrue(self.isAnswered(*another))

    def test_thread(self) -> None:
        """The thread does not keep the process from ending."""
        found: Queue[Thread] = Queue()
        runInThread(lambda: found.put(current_thread()))
        thread = found.get()
        self.assertTrue(thread.daemon)
        self.assertIsNot(current_thread(), thread)


class RefusedSiteTests(SynchronousTestCase):
    """Tests of L{AdminSite} with too many connections."""

    def test_refused(self) -> None:
        """A refused client gets the reason in JSON, before anything is loaded or read."""
        site = AdminSite(MemoryReactorClock(), FakeOperations(), ignore, lambda _: Peer(0, 1))
        transports, protocols = [], []
        for _ in range(MAX_CONNECTIONS + 1):
            protocol: Any = site.buildProtocol(None)
            transport = Connection()
            protocol.makeConnection(transport)
            transports.append(transport)
            protocols.append(protocol)
        *taken, refused = transports
        self.assertFalse(any(transport.value() or transport.disconnecting for transport in taken))
        self.assertTrue(refused.value().startswith(b"HTTP/1.1 503 "))
        self.assertIn(b'{"error": "128 connections', refused.value())
        self.assertTrue(refused.disconnecting)
        protocols[-1].dataReceived(b"GET /status HTTP/1.1\r\n")
        for protocol in protocols:
            goAway(protocol)
        self.assertEqual([], site._connections._all)

    def test_dropped(self) -> None:
        """A connection that makes room for another is dropped, whatever was under way."""
        peers = iter([1] * MAX_CONNECTIONS + [2])
        site = AdminSite(
            MemoryReactorClock(), FakeOperations(), ignore, lambda _: Peer(0, next(peers))
        )
        transports = []
        for _ in range(MAX_CONNECTIONS + 1):
            protocol: Any = site.buildProtocol(None)
            transports.append(Connection())
            protocol.makeConnection(transports[-1])
        self.assertEqual(
            [1, *[0] * MAX_CONNECTIONS], [transport.aborts for transport in transports]
        )
