"""Tests of L{pkdoors.fleet.engine}, and of the engine in memory that other tests use."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import EngineError, EngineRefusal
from pkdoors.fleet.engine import BEGINNING, Entry, IEngine, clockOf, orderOf, positionAt
from pkdoors.fleet.streams import Streams
from tests.fakes.engine import FakeStore

LOG = Streams("prod").log("web3")


class PositionTests(SynchronousTestCase):
    """Tests of positions in a stream."""

    def test_order(self) -> None:
        """Positions are sorted by their numbers, and what is no position comes first."""
        positions = ["1000-2", "999-11", "1000-10", "nonsense", BEGINNING]
        wanted = ["nonsense", BEGINNING, "999-11", "1000-2", "1000-10"]
        self.assertEqual(wanted, sorted(positions, key=orderOf))

    def test_time(self) -> None:
        """An entry of a time comes after the position at that time, and earlier ones do not."""
        self.assertLess(orderOf(positionAt(2.5)), orderOf("2500-0"))
        self.assertGreater(orderOf(positionAt(2.5)), orderOf("2499-999"))
        self.assertEqual(2.5, Entry("2500-7", {}).time)

    def test_clock(self) -> None:
        """Whatever the engine says of its clock, it is a time."""
        self.assertEqual(2.5, clockOf({"server_time_usec": "2500000"}, 1.0))
        for text in ("", "nonsense", "9" * 400, "9" * 5000, "inf"):
            self.assertEqual(1.0, clockOf({"server_time_usec": text}, 1.0))
        self.assertEqual(1.0, clockOf({}, 1.0))


class FakeEngineTests(SynchronousTestCase):
    """Tests of the engine in memory: it does what L{IEngine} says."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = FakeStore(self.clock)
        self.engine: IEngine = self.store.connect()

    def test_follow(self) -> None:
        """A host that waits is woken by an entry, and has those after its position alone."""
        first = self.success(self.engine.append(LOG, {"s": b"1"}))
        following = Deferred.fromCoroutine(self.engine.follow({LOG: first}))
        self.assertNoResult(following)
        self.success(self.store.connect().append(LOG, {"s": b"2"}))
        found = self.successResultOf(following)
        self.assertEqual([{"s": b"2"}], [entry.fields for entry in found[LOG]])

    def test_nothing(self) -> None:
        """Without an entry, the answer comes after some seconds, and is empty."""
        following = Deferred.fromCoroutine(self.engine.follow({LOG: BEGINNING}))
        self.clock.advance(5)
        self.assertEqual({}, self.successResultOf(following))

    def test_claim(self) -> None:
        """One host alone has a claim, until its time is over."""
        won = [self.success(self.engine.claim("c", host, 500)) for host in ("a", "b")]
        self.assertEqual([True, False], won)
        self.clock.advance(0.5)
        self.assertTrue(self.success(self.engine.claim("c", "b", 500)))

    def test_troubles(self) -> None:
        """A refusal breaks no connection; a stop does."""
        self.store.refusal = "the disk is full"
        failure = self.failureResultOf(Deferred.fromCoroutine(self.engine.put("x", b"", 1)))
        failure.trap(EngineRefusal)
        self.store.refusal = ""
        self.success(self.engine.put("x", b"y", 1))
        following = Deferred.fromCoroutine(self.engine.follow({LOG: BEGINNING}))
        self.store.stop()
        self.failureResultOf(following, EngineError)
        self.assertRaises(EngineError, self.store.connect)

    def success(self, coroutine):  # type: ignore[no-untyped-def]
        """Return what a coroutine returns at once."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))
