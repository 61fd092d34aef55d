"""Tests of L{pkdoors.client.connect}."""

import socket

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.attempt import Attempt
from pkdoors.client.connect import LOOK, reach
from pkdoors.client.methods import PlainMethod
from pkdoors.errors import KnockError
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, HOST6, FakeNames
from tests.fakes.doors import PORTS
from tests.fakes.reactor import FakeConnection, FakeReactor


class ReachTests(SynchronousTestCase):
    """
    Tests of L{reach}.
    """

    def setUp(self) -> None:
        """Begin to reach a host with two addresses."""
        self.reactor = FakeReactor()
        FakeNames(self, HOST4, HOST6)
        self.said: list[str] = []
        method = PlainMethod(Sequence(PORTS), 0.0, 0.02)
        attempt = Attempt("host.example", method, None, 22, timeout=5.0, tries=2)
        self.result = Deferred.fromCoroutine(reach(attempt, self.reactor, self.said.append))
        self.reactor.advance(0)

    def knock(self) -> None:
        """Let the time of a knock pass."""
        self.reactor.advance(0)  # look up the host's name
        self.reactor.pump([0.02] * 4)

    def assertReached(self, connection: FakeConnection) -> None:
        """
        Assert that the result is the socket of this connection, that it blocks, and that nothing
        was read from it.
        """
        own = self.successResultOf(self.result)
        assert isinstance(own, socket.socket) and connection.peer is not None
        self.addCleanup(own.close)
        self.addCleanup(connection.peer.close)
        self.assertTrue(own.getblocking())
        connection.peer.send(b"hello")
        self.assertEqual(b"hello", own.recv(9))
        self.assertFalse(connection.disconnected)

    def test_open(self) -> None:
        """If the port answers, nothing is sent, and that connection is the result."""
        self.assertReached(self.reactor.accept(1))
        self.assertEqual([], self.reactor.sent)
        self.assertEqual(2, len(self.reactor.connections()))

    def test_closed(self) -> None:
        """If it does not answer for a moment, there is a knock, and another try."""
        self.reactor.advance(LOOK - 0.01)
        self.assertEqual([], self.reactor.sent)
        self.reactor.advance(0.01)
        self.knock()
        self.assertEqual(10, len(self.reactor.sent))
        self.assertEqual(4, len(self.reactor.connections()))
        self.assertReached(self.reactor.accept(2))
        self.assertEqual([], self.said)

    def test_refused(self) -> None:
        """If all addresses refuse, there is a knock at once."""
        self.reactor.reject(ConnectionRefusedError(), 0)
        self.reactor.reject(ConnectionRefusedError(), 1)
        self.knock()
        self.assertEqual(10, len(self.reactor.sent))

    def test_knocksAgain(self) -> None:
        """If the knock does not help, there is another one, and the user is told."""
        self.reactor.advance(LOOK)
        self.knock()
        self.reactor.advance(5)
        self.assertEqual(["no answer yet, knocking again (1 left)"], self.said)
        self.knock()
        self.assertReached(self.reactor.accept())

    def test_notOpen(self) -> None:
        """If the port never opens, that is an error, and no try goes on."""
        self.reactor.advance(LOOK)
        for _ in range(2):
            self.knock()
            self.reactor.advance(5)
        error = self.failureResultOf(self.result, KnockError).value
        self.assertIn("22/tcp of host.example did not answer within 5s", str(error))
        self.assertEqual([], self.reactor.getDelayedCalls())
