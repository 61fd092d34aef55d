"""Tests of L{pkdoors.util.steady}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.steady import SteadyReactor


class SteadyReactorTests(SynchronousTestCase):
    """
    Tests of L{SteadyReactor}.
    """

    def test_clock(self) -> None:
        """Its clock is its own; timers, and everything else, are the other reactor's."""
        clock = Clock()
        steady = SteadyReactor(clock, lambda: 7.0)
        clock.rightNow = 1_800_000_000.0
        fired: list[str] = []
        steady.callLater(10, fired.append, "timer")
        self.assertEqual((7.0, 1_800_000_000.0), (steady.seconds(), clock.seconds()))
        clock.advance(10)
        self.assertEqual(["timer"], fired)
