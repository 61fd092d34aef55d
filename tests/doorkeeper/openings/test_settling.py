"""Tests of L{pkdoors.doorkeeper.openings.settling}."""

from ipaddress import ip_address

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.openings.settling import Closing, Waiters

ANN = "ssh", ip_address("192.0.2.7")
BOB = "ssh", ip_address("2001:db8::7")


class WaitersTests(SynchronousTestCase):
    """
    Tests of L{Waiters}.
    """

    def setUp(self) -> None:
        """Make one."""
        self.waiters = Waiters()

    def test_next(self) -> None:
        """A Deferred fires once, for its own opening."""
        first, second = self.waiters.next(ANN), self.waiters.next(ANN)
        self.waiters.notify(BOB)
        self.assertNoResult(first)
        self.waiters.notify(ANN)
        self.waiters.notify(ANN)
        self.assertEqual((None, None), (self.successResultOf(first), self.successResultOf(second)))

    def test_cancel(self) -> None:
        """A Deferred that was cancelled is forgotten, and others are not."""
        first, second = self.waiters.next(ANN), self.waiters.next(ANN)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.waiters.notify(ANN)
        self.successResultOf(second)
        self.assertEqual({}, self.waiters._waiting)


class ClosingTests(SynchronousTestCase):
    """
    Tests of L{Closing}.
    """

    def setUp(self) -> None:
        """Wait for two openings."""
        self.waiters = Waiters()
        self.closing = Closing(self.waiters)
        self.closing.add([ANN, BOB])
        self.closing.complete()

    def test_done(self) -> None:
        """It is done when the last opening is closed."""
        self.waiters.notify(ANN)
        self.assertNoResult(self.closing.done)
        self.assertEqual({BOB}, self.closing.left)
        self.waiters.notify(BOB)
        self.assertEqual(
            (None, set()), (self.successResultOf(self.closing.done), self.closing.left)
        )

    def test_nothing(self) -> None:
        """It is done at once if there is nothing to close."""
        closing = Closing(self.waiters)
        self.assertNoResult(closing.asked)
        closing.complete()
        self.successResultOf(closing.asked)
        self.successResultOf(closing.done)

    def test_some(self) -> None:
        """It is not done while others may follow, and knows how many came so far."""
        closing = Closing(self.waiters)
        closing.add([ANN])
        self.waiters.notify(ANN)
        self.assertNoResult(closing.done)
        self.assertEqual((1, set()), (closing.count, closing.left))
        closing.add([BOB])
        closing.complete()
        self.assertNoResult(closing.done)
        self.waiters.notify(BOB)
        self.successResultOf(closing.done)

    def test_cancel(self) -> None:
        """If nobody waits any more, it can forget the openings, but not which of them are left."""
        self.waiters.notify(ANN)
        self.closing.done.cancel()
        self.failureResultOf(self.closing.done, CancelledError)
        self.closing.forget(BOB)
        self.assertEqual((set({BOB}), {}), (self.closing.left, self.waiters._waiting))
