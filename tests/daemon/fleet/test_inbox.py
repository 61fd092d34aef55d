"""Tests of L{pkdoors.daemon.fleet.inbox}."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.fleet.inbox import SAVED, SHARE, SHORT, SLICE, Inbox
from pkdoors.doorkeeper.outcome import Outcome

LONG = b"x" * SHORT
"""A line that comes after short ones."""


class InboxTests(SynchronousTestCase):
    """
    An inbox whose lines cost a quarter of a millisecond each.
    """

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.cost = 0.0
        self.seen: list[bytes] = []
        self.isStopping = False
        self.inbox = Inbox(self.clock, self.act, lambda: self.isStopping, lambda: self.cost)

    def act(self, line: bytes) -> Outcome:
        """Note a line."""
        self.seen.append(line)
        self.cost += SLICE / 8
        if line == b"bad":
            raise ValueError(line)
        return Outcome("opened", line[-3:].decode())

    def add(self, *lines: bytes) -> "Deferred[list[Outcome]]":
        """Hand in lines."""
        return self.inbox.add(lines)

    def turn(self) -> None:
        """Have one turn of the reactor."""
        (call,) = self.clock.calls
        self.clock.calls.clear()
        call.called = True
        call.func()

    def test_atOnce(self) -> None:
        """A line is worked on at once, and the outcomes come in the order of the lines."""
        found = self.successResultOf(self.add(LONG + b"one", b"two"))
        self.assertEqual([Outcome("opened", "one"), Outcome("opened", "two")], found)

    def test_short(self) -> None:
        """Answers to claims do not wait behind seals."""
        many = self.add(*[LONG] * 50)
        self.assertNoResult(many)
        short = self.add(b"claim")
        self.turn()
        self.successResultOf(short)
        self.assertNoResult(many)

    def test_slices(self) -> None:
        """One turn of the reactor has one slice of it, whoever hands in more in this turn."""
        self.add(*[LONG] * 50)
        self.add(*[LONG] * 50)
        self.assertEqual(8, len(self.seen))
        self.turn()
        self.assertEqual(16, len(self.seen))

    def test_share(self) -> None:
        """It takes a share of the processor, whatever comes, beside what was saved up before."""
        for _ in range(1000):
            self.add(*[LONG] * 10)
        self.clock.pump([0.001] * 1000)
        self.assertApproximates(SHARE + SAVED, self.cost, 2 * SLICE)

    def test_gone(self) -> None:
        """What waits is forgotten when its sender goes; that of the others is not."""
        for _ in range(100):
            gone = self.add(*[LONG + b"one", b"two"] * 50)
            gone.cancel()
            self.failureResultOf(gone, CancelledError)
        seen = len(self.seen)
        self.assertLess(seen, 20)
        kept = self.add(b"three")
        self.turn()
        self.turn()
        self.successResultOf(kept)
        self.assertEqual(seen + 1, len(self.seen))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_mistake(self) -> None:
        """A mistake in one line does no harm to the others."""
        found = self.successResultOf(self.add(b"bad", b"two"))
        self.assertEqual(["refused", "opened"], [outcome.result for outcome in found])
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_rest(self) -> None:
        """Without work, nothing wakes up."""
        self.successResultOf(self.add())
        self.successResultOf(self.add(b"one"))
        self.clock.advance(0)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stopping(self) -> None:
        """While the daemon stops, nothing is worked on, and nothing has an answer."""
        many = self.add(*[LONG] * 50)
        self.isStopping = True
        self.turn()
        self.assertNoResult(many)
        self.assertNoResult(self.add(b"one"))
        self.assertEqual((8, []), (len(self.seen), self.clock.getDelayedCalls()))

    def test_stop(self) -> None:
        """After the end nothing is worked on."""
        self.add(*[LONG] * 50)
        self.inbox.stop()
        self.add(LONG)
        self.clock.advance(10)
        self.assertEqual((8, []), (len(self.seen), self.clock.getDelayedCalls()))
