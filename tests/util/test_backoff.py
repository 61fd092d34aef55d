"""Tests of L{pkdoors.util.backoff}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.backoff import BackOff


class BackOffTests(SynchronousTestCase):
    """
    Tests of L{BackOff}.
    """

    def setUp(self) -> None:
        """Make waits from one second to ten."""
        self.backOff = BackOff(1.0, 10.0)

    def test_doubles(self) -> None:
        """Each wait is twice the one before, up to the longest."""
        self.assertEqual([1.0, 2.0, 4.0, 8.0, 10.0, 10.0], [self.backOff.next() for _ in range(6)])

    def test_reset(self) -> None:
        """A reset brings back the first wait."""
        for _ in range(6):
            self.backOff.next()
        self.backOff.reset()
        self.assertEqual([1.0, 2.0], [self.backOff.next(), self.backOff.next()])

    def test_resetTwice(self) -> None:
        """Resetting twice changes nothing."""
        self.backOff.reset()
        self.backOff.reset()
        self.assertEqual(1.0, self.backOff.next())

    def test_neverEnds(self) -> None:
        """After any number of failures the wait stays at its longest."""
        self.assertEqual(10.0, max(self.backOff.next() for _ in range(10_000)))
