"""Tests of the verdict of L{bench.hearing}."""

from twisted.trial.unittest import SynchronousTestCase

from bench.flood.outcome import Outcome
from bench.hearing import DECIDING, judge


class JudgeTests(SynchronousTestCase):
    """Tests of L{judge}."""

    def better(
        self, capture: list[float | None], tries: list[float | None], rate: float = 100_000
    ) -> bool:
        """Return whether capture is better than sockets that take 0.5 ms, the slowest 0.6 ms."""
        kind, asked = DECIDING
        outcome = Outcome(
            method="plain",
            kind=kind,
            asked=asked,
            sent=1000,
            rate=rate,
            tries=tries,
            cpu=0.5,
            grown=0.0,
            dropped={},
            tracked=0,
        )
        isBetter, _ = judge(
            {"sockets": [0.5, 0.5, 0.6], "capture": capture}, {"capture": [outcome]}
        )
        return isBetter

    def test_better(self) -> None:
        """Capture that opens no later, and always, is better; noise does not count."""
        self.assertTrue(self.better([0.4, 0.4, 0.5], [1.0, 2.0]))
        self.assertTrue(self.better([0.51, 0.51, 0.61], [1.0, 2.0]))

    def test_worse(self) -> None:
        """Capture that is slower is not, nor is capture that misses a knock."""
        self.assertFalse(self.better([0.6, 0.6, 0.6], [1.0, 2.0]))
        self.assertFalse(self.better([0.4, 0.4, 0.7], [1.0, 2.0]))
        self.assertFalse(self.better([0.4, 0.4, 0.5], [1.0, None]))
        self.assertFalse(self.better([None, None, None], [1.0, 2.0]))

    def test_slow(self) -> None:
        """A machine that cannot send the flood proves nothing."""
        self.assertFalse(self.better([0.4, 0.4, 0.5], [1.0, 2.0], rate=60_000))
