"""Tests of L{pkdoors.client._portwatch}."""

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client._portwatch import PortWatch
from tests.client.names import HOST4, HOST6
from tests.fakes.reactor import FakeReactor


class PortWatchTests(SynchronousTestCase):
    """
    Tests of L{PortWatch}.
    """

    def setUp(self) -> None:
        """Make a reactor."""
        self.reactor = FakeReactor()

    def watch(self, *addresses: str) -> Deferred[str | None]:
        """Watch port 22 for 5 seconds."""
        self.watching = PortWatch(self.reactor, addresses, 22)
        return self.watching.start(5.0)

    def stopped(self) -> list[bool]:
        """Return for each connection that was tried whether the try was given up."""
        return [connector.stoppedConnecting for connector in self.reactor.connectors]

    def test_tries(self) -> None:
        """It tries all addresses at once."""
        self.watch(HOST4, HOST6)
        self.assertEqual([(HOST4, 22), (HOST6, 22)], self.reactor.connections())

    def test_pace(self) -> None:
        """It tries again after 10 ms, then after twice the pause each time, up to half a second."""
        self.watch(HOST4)
        tried = []
        for _ in range(5000):
            before = len(self.reactor.connections())
            self.reactor.advance(0.001)
            if len(self.reactor.connections()) > before:
                tried.append(round(self.reactor.seconds(), 2))
        self.assertEqual([0.01, 0.03, 0.07, 0.15, 0.31, 0.63, 1.13, 1.63], tried[:8])

    def test_answer(self) -> None:
        """It ends at the first answer, and hangs up."""
        result = self.watch(HOST4, HOST6)
        transport = self.reactor.accept(1)
        self.assertEqual(HOST6, self.successResultOf(result))
        self.assertTrue(transport.disconnected)

    def test_cancelsTheRest(self) -> None:
        """After that no try goes on and no timer runs."""
        self.watch(HOST4, HOST6)
        self.reactor.advance(0.01)
        self.reactor.accept(2)
        self.assertEqual([True, True, False, True], self.stopped())
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_earlierTry(self) -> None:
        """An answer to an earlier try counts as well."""
        result = self.watch(HOST4)
        self.reactor.pump([0.01, 0.02, 0.04])
        self.reactor.accept(0)
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_timeout(self) -> None:
        """Without an answer it ends with L{None} when its time is over, and gives up all tries."""
        result = self.watch(HOST4)
        self.reactor.advance(4.9)
        self.assertNoResult(result)
        self.reactor.advance(0.1)
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual({True}, set(self.stopped()))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_refused(self) -> None:
        """A refused connection does not end it, but is remembered."""
        result = self.watch(HOST4)
        self.reactor.reject(ConnectionRefusedError())
        self.assertNoResult(result)
        self.assertTrue(self.watching.refused)
        self.reactor.advance(0.01)
        self.reactor.accept()
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_otherFailure(self) -> None:
        """Other failures do not end it either, and do not count as refusals."""
        result = self.watch(HOST4)
        self.reactor.reject(TimeoutError())
        self.reactor.advance(0.01)
        self.reactor.reject(ConnectError(osError=113))
        self.assertNoResult(result)
        self.assertFalse(self.watching.refused)

    def test_take(self) -> None:
        """A caller who wants the connection that answered gets it, and it is not dropped."""
        taken: list[object] = []
        result = PortWatch(self.reactor, [HOST4, HOST6], 22, taken.append).start(5.0)
        transport = self.reactor.accept(1)
        self.assertEqual(HOST6, self.successResultOf(result))
        self.assertEqual([transport], taken)
        self.assertFalse(transport.disconnected)

    def test_once(self) -> None:
        """It can try each address only once."""
        result = self.watchOnce()
        self.reactor.pump([0.1] * 49)
        self.assertEqual([(HOST4, 22), (HOST6, 22)], self.reactor.connections())
        self.reactor.accept(0)
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_onceFailed(self) -> None:
        """Then it ends when all tries have failed, and not before."""
        result = self.watchOnce()
        self.reactor.reject(ConnectionRefusedError(), 0)
        self.assertNoResult(result)
        self.reactor.reject(ConnectError(osError=113), 1)
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_onceTimeout(self) -> None:
        """It also ends when its time is over."""
        result = self.watchOnce()
        self.reactor.advance(5)
        self.assertIsNone(self.successResultOf(result))

    def watchOnce(self) -> Deferred[str | None]:
        """Watch with one try of each address."""
        return PortWatch(self.reactor, [HOST4, HOST6], 22, once=True).start(5.0)

    def test_ownEndIsNoRefusal(self) -> None:
        """Giving up its tries does not count as a refusal."""
        self.watch(HOST4)
        self.reactor.advance(5)
        self.assertFalse(self.watching.refused)
