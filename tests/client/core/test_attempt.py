"""Tests of L{pkdoors.client.core.attempt}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.attempt import LOOK, Attempt
from pkdoors.client.core.methods import PENALTY, PlainMethod
from pkdoors.client.core.plan import INTERVAL, RoundTrip
from pkdoors.model.doors import Door
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS, makeDoor

NEAR, FAR = RoundTrip(0.012, 0.001), RoundTrip(0.08, 0.01)


class SuitTests(SynchronousTestCase):
    """
    Tests of L{Attempt.suit}.
    """

    def suit(
        self, *paths: RoundTrip | None, interval: float | None = None, **fields: Any
    ) -> tuple[float | None, float]:
        """Return the time for an answer, and the interval of the first knock."""
        method = PlainMethod(Sequence(PORTS), 0.0, interval)
        attempt = Attempt("h", method, **{"port": 22, "timeout": method.patience, **fields})
        suited = attempt.suit(paths)
        assert isinstance(suited.method, PlainMethod)
        return suited.look, suited.method.firstInterval

    def test_near(self) -> None:
        """On a short path, both are short."""
        look, interval = self.suit(NEAR)
        self.assertAlmostEqual(0.026, look or 0.0)
        self.assertEqual(0.003, interval)

    def test_several(self) -> None:
        """The longest path counts; the interval stays if one is unknown."""
        self.assertEqual((0.13, INTERVAL), self.suit(NEAR, FAR))
        look, interval = self.suit(NEAR, None)
        self.assertAlmostEqual(0.026, look or 0.0)
        self.assertEqual(INTERVAL, interval)
        for paths in ((), (None,)):
            self.assertEqual((LOOK, INTERVAL), self.suit(*paths))

    def test_given(self) -> None:
        """What the user knows counts for all addresses; nobody is asked for the path."""

        def ask() -> Any:
            raise AssertionError("asked")
            yield

        method = PlainMethod(Sequence(PORTS), 0.0)
        attempt = Attempt("h", method, port=22, timeout=7.0, path=NEAR).suit(ask())
        assert isinstance(attempt.method, PlainMethod)
        self.assertEqual(0.003, attempt.method.firstInterval)
        self.assertEqual((0.0, 0.003), self.suit(NEAR, look=0.0))

    def test_noOtherTry(self) -> None:
        """
        The first knock is not faster if no other one follows that the host does not ignore, or if
        nothing is waited for.
        """
        for fields in (
            {"port": None},
            {"tries": 1},
            {"tries": 2, "timeout": PENALTY},
            {"tries": 4, "timeout": 2.0},
        ):
            self.assertEqual(INTERVAL, self.suit(NEAR, **fields)[1], fields)
        self.assertEqual(0.003, self.suit(NEAR, tries=5, timeout=2.0)[1])

    def test_patience(self) -> None:
        """The second plain knock comes when the penalty for a wrong order is over."""
        longest = Door("d", Sequence(PORTS), makeDoor().ports).penalty * 1.25
        self.assertEqual(longest, PENALTY)
        self.assertGreater(PlainMethod(Sequence(PORTS), 0.0).patience, longest)
