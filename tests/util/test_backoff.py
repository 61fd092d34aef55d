"""Tests of L{pkdoors.util.backoff}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.backoff import BackOff


class BackOffTests(SynchronousTestCase):
    """
    Tests of L{BackOff}.
    """

    def setUp(self) -> None:
        """From one second to ten."""
        self.backOff = BackOff(1.0, 10.0)

    def test_doubles(self) -> None:
        """Each wait is twice the one before, up to the longest."""
        self.assertEqual([1.0, 2.0, 4.0, 8.0, 10.0, 10.0], [self.backOff.next() for _ in range(6)])

    def test_reset(self) -> None:
        """When all is well the first wait comes again."""
        for _ in range(6):
            self.backOff.next()
        self.backOff.reset()
        self.assertEqual([1.0, 2.0], [self.backOff.next(), self.backOff.next()])

    def test_resetTwice(self) -> None:
        """To be well already is no difference."""
        self.backOff.reset()
        self.backOff.reset()
        self.assertEqual(1.0, self.backOff.next())

    def test_neverEnds(self) -> None:
        """However often it fails, the wait gets no longer than that."""
        self.assertEqual(10.0, max(self.backOff.next() for _ in range(10_000)))
