"""Tests of L{pkdoors.client.reactor._roaming}."""

import errno
import socket
from typing import Any

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.reactor import _roaming
from pkdoors.client.reactor._roaming import (
    READS_PER_TURN,
    Roaming,
    RouteListener,
    addressTowards,
    listenToRoutes,
)
from tests.fakes.reactor import FakeReactor


class FakeKernel:
    """
    A socket on which the kernel reports routes.

    @ivar inbox: what comes next: a message, or an error.
    """

    def __init__(self) -> None:
        self.reorderer: list[bytes | OSError] = []
        self.isOpen = True

    def fileno(self) -> int:
        """Return a number."""
        return 99

    def recv(self, size: int) -> bytes:
        """Return the next message."""
        if not self.reorderer:
            raise BlockingIOError
        item = self.reorderer.pop(0)
        if isinstance(item, OSError):
            raise item
        return item[:size]

    def close(self) -> None:
        """Close it."""
        self.isOpen = False


class RoamingTests(SynchronousTestCase):
    """
    Tests of L{Roaming} and L{RouteListener}.
    """

    def setUp(self) -> None:
        """Make one route to each of two others."""
        self.reactor = FakeReactor()
        self.kernel = FakeKernel()
        self.ways: dict[str, str | None] = {"192.0.2.1": "10.0.0.2", "2001:db8::1": None}
        self.moves = 0
        self.patch(_roaming, "addressTowards", lambda other: self.ways[other])
        self.patch(_roaming, "listenToRoutes", lambda: self.kernel)
        self.roaming = Roaming(self.reactor, self.moved)

    def moved(self) -> None:
        """Count the moves."""
        self.moves += 1

    def prepare(self) -> None:
        """Start watching."""
        self.roaming.watchTowards(self.ways)
        self.roaming.start()

    def tell(self, *messages: bytes | OSError) -> None:
        """Let the kernel report something."""
        self.kernel.reorderer += messages or [b"new address"]
        (reader,) = self.reactor.getReaders()
        assert isinstance(reader, RouteListener)
        reader.doRead()

    def test_moved(self) -> None:
        """It compares a moment after the kernel's report, and reports a new address."""
        self.prepare()
        self.ways["192.0.2.1"] = "10.0.0.3"
        self.tell()
        self.reactor.advance(0.29)
        self.assertEqual(0, self.moves)
        self.reactor.advance(0.01)
        self.assertEqual(1, self.moves)

    def test_burst(self) -> None:
        """It compares once for all reports within that moment, and again for later ones."""
        self.prepare()
        self.ways["192.0.2.1"] = "10.0.0.3"
        for _ in range(5):
            self.tell()
            self.reactor.advance(0.06)
        self.assertEqual((1, []), (self.moves, self.reactor.getDelayedCalls()))
        self.ways["192.0.2.1"] = "10.0.0.4"
        self.tell()
        self.reactor.advance(0.3)
        self.assertEqual(2, self.moves)

    def test_sameAddress(self) -> None:
        """Other changes do not count."""
        self.prepare()
        self.tell()
        self.reactor.advance(0.3)
        self.assertEqual(0, self.moves)

    def test_lost(self) -> None:
        """
        A lost address does not count as a move; a regained one does, and so does another family.
        """
        self.prepare()
        for route, moves in ((None, 0), ("10.0.0.2", 1)):
            self.ways["192.0.2.1"] = route
            self.tell()
            self.reactor.advance(0.3)
            self.assertEqual(moves, self.moves)
        self.ways["2001:db8::1"] = "2001:db8::2"
        self.tell()
        self.reactor.advance(0.3)
        self.assertEqual(2, self.moves)

    def test_towards(self) -> None:
        """Changes count from the moment when the others became known."""
        self.prepare()
        self.ways["192.0.2.1"] = "10.0.0.3"
        self.roaming.watchTowards(self.ways)
        self.tell()
        self.reactor.advance(0.3)
        self.assertEqual(0, self.moves)

    def test_overrun(self) -> None:
        """If the kernel reported more than the socket held, it compares, too."""
        self.prepare()
        self.ways["192.0.2.1"] = "10.0.0.3"
        self.tell(OSError(errno.ENOBUFS, "No buffer space available"))
        self.reactor.advance(0.3)
        self.assertEqual(1, self.moves)

    def test_flood(self) -> None:
        """It does not read for ever."""
        self.prepare()
        self.tell(*[b"route"] * (READS_PER_TURN + 1))
        self.assertEqual(1, len(self.kernel.reorderer))

    def test_stop(self) -> None:
        """After the end nothing is read, the socket is closed, and no timer runs."""
        self.prepare()
        self.tell()
        self.roaming.stop()
        self.assertEqual(([], []), (self.reactor.getReaders(), self.reactor.getDelayedCalls()))
        self.assertFalse(self.kernel.isOpen)

    def test_withoutNetlink(self) -> None:
        """If the kernel does not report changes, it compares every five seconds."""
        self.patch(_roaming, "listenToRoutes", self.refuse)
        self.prepare()
        for number in (1, 2, 3):
            self.ways["192.0.2.1"] = f"10.0.1.{number}"
            self.reactor.advance(4.9)
            self.assertEqual(number - 1, self.moves)
            self.reactor.advance(0.1)
            self.assertEqual(number, self.moves)
        self.roaming.stop()
        self.assertEqual(([], []), (self.reactor.getReaders(), self.reactor.getDelayedCalls()))

    def refuse(self) -> None:
        """Refuse netlink."""
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    def test_reader(self) -> None:
        """The reader is what a reactor needs."""
        reader = RouteListener(self.kernel, self.moved)  # type: ignore[arg-type]
        self.assertEqual((99, "routes"), (reader.fileno(), reader.logPrefix()))
        reader.connectionLost(Failure(ConnectionError()))
        self.assertFalse(self.kernel.isOpen)


class WorldTests(SynchronousTestCase):
    """
    Tests of L{listenToRoutes} and L{addressTowards}.
    """

    def test_noNetlink(self) -> None:
        """A system without netlink raises L{OSError}, and so does such a kernel."""
        self.patch(_roaming, "socket", type("socket", (), {}))
        self.assertRaises(OSError, listenToRoutes)

    def test_forbidden(self) -> None:
        """Android has netlink, but not for programs: they get an error, and nothing stays open."""

        class Forbidden(socket.socket):
            def bind(self, address: Any) -> None:
                raise PermissionError(errno.EACCES, "Permission denied")

            def close(self) -> None:
                made.append(self)
                super().close()

        made: list[socket.socket] = []
        self.patch(socket, "socket", Forbidden)
        self.assertRaises(PermissionError, listenToRoutes)
        self.assertEqual(1, len(made))

    def test_noWay(self) -> None:
        """Without a route there is no address."""

        def refuse(*arguments: object) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        self.patch(socket, "socket", refuse)
        self.assertIsNone(addressTowards("192.0.2.1"))
