"""Tests of L{pkdoors.knockports._socket}."""

import errno
import socket
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import ListenError
from pkdoors.knockports._ordering import Reorderer
from pkdoors.knockports._socket import KnockProtocol, KnockSocket
from pkdoors.knocks.knock import Knock
from tests.fakes.host import SO_TIMESTAMPNS, FakeHost, FakeReceiver, FakeSocket


class KnockProtocolTests(SynchronousTestCase):
    """
    Tests of L{KnockProtocol}.
    """

    def test_handsOn(self) -> None:
        """A datagram becomes a knock, whatever it contains."""
        heard: list[Knock] = []
        protocol = KnockProtocol(17001, heard.extend)
        protocol.datagramReceived(b"knock\n", ("203.0.113.9", 5555))
        protocol.datagramReceived(b"\x00\xff", ("::ffff:203.0.113.10", 1))
        self.assertEqual(
            [Knock("203.0.113.9", 17001, b"knock\n"), Knock("203.0.113.10", 17001, b"\x00\xff")],
            heard,
        )

    def test_quiet(self) -> None:
        """The port is not logged."""
        self.assertIs(False, KnockProtocol(17001, lambda knock: None).noisy)


class KnockSocketTests(SynchronousTestCase):
    """
    Tests of L{KnockSocket}.
    """

    def setUp(self) -> None:
        """Make a socket."""
        self.host = FakeHost(self)
        self.clock = Clock()
        self.heard: list[Knock] = []
        self.bound = FakeSocket(self.host, 2, 7)
        self.bound.bind(("0.0.0.0", 17001))
        bound: Any = self.bound
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver: Any = FakeReceiver(2048)
        self.reading = KnockSocket(bound, Reorderer(self.clock, self.heard.extend), receiver)

    def read(self) -> None:
        """Let the reactor have a turn."""
        self.reading.doRead()
        self.clock.advance(0)

    def fill(self, count: int, datagram: bytes = b"knock\n") -> None:
        """Deliver datagrams."""
        self.bound.reorderer.extend([(datagram, ("203.0.113.9", 5555))] * count)

    def test_interface(self) -> None:
        """The reactor can read the socket."""
        verifyObject(IReadDescriptor, self.reading)
        self.assertEqual((7, "knock"), (self.reading.fileno(), self.reading.logPrefix()))

    def test_empty(self) -> None:
        """It is not an error if there is nothing to read."""
        self.read()
        self.assertEqual([], self.heard)

    def test_several(self) -> None:
        """Everything that has come is handed on in one turn."""
        self.fill(3)
        self.read()
        self.assertEqual(3, len(self.heard))

    def test_turn(self) -> None:
        """A flood gets nine times 64 datagrams a turn at most; then others get their turn."""
        self.fill(1000)
        self.read()
        self.assertEqual(9 * 64, len(self.heard))
        self.read()
        self.assertEqual(1000, len(self.heard))

    def test_closed(self) -> None:
        """A socket that is closed while it has more is not read any more."""
        self.fill(100)
        self.reading.doRead()
        self.reading.connectionLost(Failure(ListenError("stopped")))
        self.clock.advance(0)
        self.assertEqual(64, len(self.heard))

    def test_long(self) -> None:
        """A datagram is read up to the limit."""
        self.fill(1, b"x" * 9000)
        self.read()
        self.assertEqual(b"x" * 2048, self.heard[0].datagram)

    def test_networkError(self) -> None:
        """An error from the network ends the turn; the socket still hears."""
        self.bound.reorderer.append(OSError(errno.ECONNREFUSED, "Connection refused"))
        self.fill(1)
        self.read()
        self.assertEqual([], self.heard)
        self.read()
        self.assertEqual(1, len(self.heard))

    def test_connectionLost(self) -> None:
        """The end closes the socket."""
        self.reading.connectionLost(Failure(ListenError("stopped")))
        self.assertFalse(self.bound.isOpen)

    def test_filter(self) -> None:
        """The kernel gets the program as it is."""
        self.reading.filter(bytes(range(16)))
        self.assertEqual(bytes(range(16)), self.bound.program)

    def test_noFilter(self) -> None:
        """It is an error if the kernel accepts no filter."""
        self.host.filtersNothing = True
        self.assertRaises(OSError, self.reading.filter, bytes(16))

    def test_takeDrops(self) -> None:
        """Each drop counts once, even if the kernel's counter overflows."""
        told = []
        for drops in (5, 5, 2**32 + 1):
            self.bound.drops = drops
            told.append(self.reading.newDrops())
        self.assertEqual([5, 0, 2**32 - 4], told)

    def test_dropsAreNotTold(self) -> None:
        """If the kernel does not count, there are no drops."""
        self.host.tellsNothing = True
        self.bound.drops = 5
        self.assertEqual(0, self.reading.newDrops())
