"""Tests of L{pkdoors.admin._connections} and L{pkdoors.admin._port}."""

import errno
import os
import resource
import socket
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin._connections import (
    LINE_INTERVAL,
    MAX_CONNECTIONS,
    RESERVE,
    Connections,
    Peer,
    findPeer,
)
from pkdoors.admin._lazysite import AdminSite
from pkdoors.admin._port import ACCEPT_PAUSE, MAX_ACCEPTS, AdminPort
from tests.admin.case import FakeOperations
from tests.fakes.log import Log

ROOT, SERVICE = 0, 990


def ignore(work: Callable[[], None]) -> None:
    """Never load the server."""


class FakeConnection:
    """A connection from a process."""

    def __init__(self, peer: Peer, descriptor: int = 7) -> None:
        self.peer = peer
        self.descriptor = descriptor
        self.isDropped = False

    def drop(self) -> None:
        """See L{pkdoors.admin._connections.Connection.drop}."""
        self.isDropped = True


class ConnectionsTests(SynchronousTestCase):
    """Tests of L{Connections}."""

    def setUp(self) -> None:
        """Have no connections."""
        self.log = Log(self)
        self.now = 1000.0
        self.connections = Connections(lambda: self.now)

    def fill(self, peers: Iterable[Peer]) -> list[FakeConnection]:
        """Admit as many connections as there is room for."""
        made = [FakeConnection(peer) for peer in peers]
        self.assertEqual(MAX_CONNECTIONS, len(made))
        self.assertEqual({""}, {self.connections.admit(connection) for connection in made})
        return made

    def add(self, user: int, process: int) -> str:
        """Add one more; return why it is refused."""
        return self.connections.admit(FakeConnection(Peer(user, process)))

    def findDropped(self, made: list[FakeConnection]) -> list[int]:
        """Return the numbers of the connections that were dropped."""
        return [number for number, connection in enumerate(made) if connection.isDropped]

    def test_most(self) -> None:
        """A process cannot have more than the limit; when one ends there is room again."""
        made = self.fill([Peer(ROOT, 1)] * MAX_CONNECTIONS)
        refusal = self.add(ROOT, 1)
        self.assertEqual(
            "128 connections to the admin socket, which is the limit: try again", refusal
        )
        self.connections.remove(made[5])
        self.assertEqual("", self.add(ROOT, 1))
        self.assertNotEqual("", self.add(ROOT, 1))
        self.assertEqual([], self.findDropped(made))

    def test_another(self) -> None:
        """Another process always finds room: the one with the most loses its oldest."""
        made = self.fill([Peer(ROOT, 1)] * 28 + [Peer(ROOT, 2)] * 100)
        self.assertEqual("", self.add(ROOT, 3))
        self.assertEqual([28], self.findDropped(made))
        for process in range(100, 200):
            self.assertEqual("", self.add(ROOT, process))

    def test_root(self) -> None:
        """Root's connections make room for nobody else's; others make room for root's first."""
        made = self.fill([Peer(ROOT, 1)] * 127 + [Peer(SERVICE, 2)])
        self.assertNotEqual("", self.add(SERVICE, 2))
        self.assertEqual("", self.add(ROOT, 3))
        self.assertEqual([127], self.findDropped(made))
        self.assertNotEqual("", self.add(SERVICE, 4))

    def test_serviceFills(self) -> None:
        """The daemon's own user cannot lock root out, with any number of processes."""
        self.fill(Peer(SERVICE, number) for number in range(MAX_CONNECTIONS))
        for process in range(MAX_CONNECTIONS):
            self.assertEqual("", self.add(ROOT, process))
        self.assertNotEqual("", self.add(SERVICE, 5000))

    def test_descriptors(self) -> None:
        """Connections leave the last descriptors to the doors."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        made = [FakeConnection(Peer(ROOT, 1), limit - RESERVE - 3 + number) for number in range(4)]
        refusals = [self.connections.admit(connection) for connection in made]
        last = f"3 connections to the admin socket, which is the limit with {limit} open files"
        self.assertEqual(["", "", "", f"{last}: try again"], refusals)
        # Another process finds room, and the number stays, whatever the descriptors are.
        for process, descriptor in ((2, limit - 1), (3, 7), (4, limit - RESERVE), (5, 8)):
            new = FakeConnection(Peer(ROOT, process), descriptor)
            self.assertEqual("", self.connections.admit(new))
            made.append(new)
            self.assertEqual(3, len(self.connections._all))
        for connection in made:
            self.connections.remove(connection)
        for descriptor in range(7, 20):
            new = FakeConnection(Peer(ROOT, 1), descriptor)
            self.assertEqual("", self.connections.admit(new))

    def test_noDescriptor(self) -> None:
        """One connection is always admitted, so that root can ask why there are so few."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for process in range(3):
            new = FakeConnection(Peer(ROOT, process), limit - 1)
            self.assertEqual("", self.connections.admit(new))

    def test_line(self) -> None:
        """However many are refused, one line a minute says how many."""
        self.fill([Peer(ROOT, 1)] * MAX_CONNECTIONS)
        for _ in range(1000):
            self.add(ROOT, 1)
        self.now += LINE_INTERVAL
        self.add(ROOT, 1)
        lines = self.log.lines()
        self.assertEqual(2, len(lines))
        self.assertIn("which is the limit: 1 refused or dropped; `ss -xp |", lines[0])
        self.assertIn("which is the limit: 1000 refused or dropped", lines[1])

    def test_peer(self) -> None:
        """The kernel knows which process has the other end of a connection."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)

        class Transport:
            def getHandle(self) -> socket.socket:
                return ours

        self.assertEqual(Peer(os.getuid(), os.getpid()), findPeer(Transport()))


class PortTests(SynchronousTestCase):
    """Tests of L{AdminPort}."""

    def setUp(self) -> None:
        """Listen at a real socket."""
        self.log = Log(self)
        self.reactor = MemoryReactorClock()
        self.site = AdminSite(self.reactor, FakeOperations(), ignore)
        self.path = str(Path(tempfile.mkdtemp()) / "sock")
        reactor: Any = self.reactor
        self.port = AdminPort(os.fsencode(self.path), self.site, 50, 0o600, reactor)
        self.port.startListening()
        self.addCleanup(self.end)
        self.log.lines().clear()

    def end(self) -> None:
        """Close the port and its connections."""
        for reader in self.reactor.getReaders():
            if reader is not self.port:
                reader.connectionLost(Failure(ConnectionError()))
        self.port.connectionLost(Failure(ConnectionError()))

    def connect(self) -> None:
        """Connect a client."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.path)

    def warnings(self) -> list[str]:
        """Return the lines it logged, apart from Twisted's."""
        return [line for line in self.log.lines() if "starting on" not in line]

    def test_few(self) -> None:
        """Only some connections are accepted in a turn."""
        for _ in range(3 * MAX_ACCEPTS):
            self.connect()
        for turn in range(1, 5):
            self.port.doRead()
            taken = len(self.site._connections._all)
            self.assertEqual(min(turn, 3) * MAX_ACCEPTS, taken)

    def test_noDescriptors(self) -> None:
        """Without descriptors it pauses, with a line a minute, and then goes on."""
        self.connect()
        dup = os.dup

        def fail(number: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(os, "dup", fail)
        for _ in range(50):
            self.assertIn(self.port, self.reactor.getReaders())
            self.port.doRead()
            self.assertNotIn(self.port, self.reactor.getReaders())
            self.reactor.advance(ACCEPT_PAUSE)
        self.assertEqual(
            [
                "cannot accept connections to the admin socket: Too many open files: raise "
                "LimitNOFILE= of the service, or `ulimit -n`"
            ],
            self.warnings(),
        )
        self.assertEqual([], self.site._connections._all)
        self.patch(os, "dup", dup)
        self.port.doRead()
        self.assertEqual(1, len(self.site._connections._all))

    def test_endsMeanwhile(self) -> None:
        """If it ends during a pause, no call is left."""
        reactor: Any = self.reactor
        port = AdminPort(os.fsencode(f"{self.path}2"), self.site, 50, 0o600, reactor)
        port.startListening()
        port._pauseReading(OSError(errno.EMFILE, "Too many open files"))
        port.connectionLost(Failure(ConnectionError()))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_lastDescriptor(self) -> None:
        """There is no line if somebody takes the last descriptor meanwhile."""
        self.connect()

        class Full:
            """The socket, which cannot accept a connection."""

            def __init__(self, real: socket.socket) -> None:
                self._real = real

            def accept(self) -> None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

            def __getattr__(self, name: str) -> Any:
                return getattr(self._real, name)

        self.port.socket = Full(self.port.socket)
        for _ in range(20):
            self.port.doRead()
        self.assertEqual([], self.warnings())
