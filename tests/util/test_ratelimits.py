"""Tests of L{pkdoors.util.ratelimits}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util import ratelimits as budgetModule
from pkdoors.util.ratelimits import Budget, TimeBudget

ANN, BOB = "203.0.113.9", "2001:db8::7"


class BudgetTests(SynchronousTestCase):
    """
    With 3 pieces of work a second for each, and 5 in all.
    """

    def setUp(self) -> None:
        """Make it."""
        self.budget = Budget(3.0, 5.0)

    def spend(self, source: str, count: int, at: float) -> int:
        """How many of so many pieces a source may cause."""
        return sum(self.budget.spend(source, at) for _ in range(count))

    def test_each(self) -> None:
        """A source gets one second's worth at once, and no more."""
        self.assertEqual(3, self.spend(ANN, 10, at=1000.0))

    def test_total(self) -> None:
        """All together get one second's worth at once, and no more."""
        self.assertEqual([3, 2], [self.spend(who, 10, at=1000.0) for who in (ANN, BOB)])
        self.assertEqual(0, self.spend("192.0.2.1", 1, at=1000.0))

    def test_comesBack(self) -> None:
        """With time it comes back, piece by piece."""
        self.spend(ANN, 10, at=1000.0)
        self.assertEqual(0, self.spend(ANN, 1, at=1000.3))
        self.assertEqual(1, self.spend(ANN, 2, at=1000.4))

    def test_totalComesBack(self) -> None:
        """So does what there is for all together."""
        for who in (ANN, BOB):
            self.spend(who, 10, at=1000.0)
        self.assertEqual(2, self.spend("192.0.2.1", 9, at=1000.41))

    def test_notSaved(self) -> None:
        """More than one second's worth is not saved up."""
        self.spend(ANN, 10, at=1000.0)
        self.assertEqual(3, self.spend(ANN, 10, at=2000.0))

    def test_rate(self) -> None:
        """In the long run it is the rate, however often it is asked."""
        count = sum(self.spend(ANN, 5, at=1000.0 + tenths / 10) for tenths in range(100))
        self.assertIn(count, range(3 + 28, 3 + 31))

    def test_refusedCostsNothing(self) -> None:
        """Who has nothing left takes nothing from the others by asking again."""
        self.spend(ANN, 1000, at=1000.0)
        self.assertEqual(2, self.spend(BOB, 10, at=1000.0))

    def test_emptyCostsNothing(self) -> None:
        """Where all together have nothing left, a source keeps its own."""
        self.budget = Budget(3.0, 3.0)
        self.spend(ANN, 3, at=1000.0)
        self.assertEqual(0, self.spend(BOB, 10, at=1000.0))
        self.assertEqual(3, self.spend(BOB, 10, at=1001.0))

    def test_memory(self) -> None:
        """Who has not asked for the longest time is forgotten, and begins anew."""
        self.patch(budgetModule, "MAX_SOURCES", 2)
        self.budget = Budget(1.0, 100.0)
        for who in (ANN, BOB, ANN, "192.0.2.1"):
            self.budget.spend(who, 1000.0)
        self.assertEqual(2, len(self.budget._sources))
        self.assertEqual([False, True], [self.budget.spend(who, 1000.0) for who in (ANN, BOB)])

    def test_bound(self) -> None:
        """However many sources there are, only so many take memory, and the total holds."""
        granted = sum(self.budget.spend(f"source {number}", 1000.0) for number in range(10_000))
        self.assertEqual((5, 4096), (granted, len(self.budget._sources)))


class TimeBudgetTests(SynchronousTestCase):
    """
    Half of the time, of which a tenth of a second is saved up.
    """

    def setUp(self) -> None:
        """Make it."""
        self.budget = TimeBudget(0.5, 0.1)
        self.assertTrue(self.budget.has(1000.0))

    def test_spent(self) -> None:
        """What is saved up can be spent, then there is none."""
        self.budget.spend(0.06)
        self.assertTrue(self.budget.has(1000.0))
        self.budget.spend(0.06)
        self.assertFalse(self.budget.has(1000.0))

    def test_comesBack(self) -> None:
        """Each second gives half a second, and a debt is paid first."""
        self.budget.spend(1.1)
        self.assertEqual(
            [False, False, True], [self.budget.has(1000.0 + more) for more in (1.0, 1.99, 2.01)]
        )

    def test_notSaved(self) -> None:
        """However long nobody works, no more is saved up."""
        self.assertTrue(self.budget.has(2000.0))
        self.budget.spend(0.11)
        self.assertFalse(self.budget.has(2000.0))

    def test_share(self) -> None:
        """In the long run it is the share, whatever the pieces."""
        for piece in (0.001, 0.03, 0.7):
            self.setUp()
            worked = 0.0
            for step in range(10_000):
                while self.budget.has(1000.0 + step / 100):
                    self.budget.spend(piece)
                    worked += piece
            self.assertTrue(49 < worked < 51.1, (piece, worked))

    def test_pause(self) -> None:
        """The pause is until so much is there, and none if it is there."""
        self.assertEqual(0.0, self.budget.pause(0.05))
        self.budget.spend(0.1)
        self.assertAlmostEqual(0.1, self.budget.pause(0.05))
        self.budget.spend(0.5)
        self.assertAlmostEqual(1.1, self.budget.pause(0.05))
