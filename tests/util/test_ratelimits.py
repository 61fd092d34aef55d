"""Tests of L{pkdoors.util.ratelimits}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util import ratelimits as budgetModule
from pkdoors.util.ratelimits import Budget, TimeBudget

ANN, BOB = "203.0.113.9", "2001:db8::7"


class BudgetTests(SynchronousTestCase):
    """
    A budget of 3 pieces of work a second for each source, and 5 in total.
    """

    def setUp(self) -> None:
        """Make the budget."""
        self.budget = Budget(3.0, 5.0)

    def spend(self, source: str, count: int, at: float) -> int:
        """Return how many of so many pieces a source may cause."""
        return sum(self.budget.spend(source, at) for _ in range(count))

    def test_each(self) -> None:
        """A source gets one second's worth at once, and no more."""
        self.assertEqual(3, self.spend(ANN, 10, at=1000.0))

    def test_total(self) -> None:
        """All sources together get one second's worth at once, and no more."""
        self.assertEqual([3, 2], [self.spend(who, 10, at=1000.0) for who in (ANN, BOB)])
        self.assertEqual(0, self.spend("192.0.2.1", 1, at=1000.0))

    def test_comesBack(self) -> None:
        """The share of a source comes back with time, piece by piece."""
        self.spend(ANN, 10, at=1000.0)
        self.assertEqual(0, self.spend(ANN, 1, at=1000.3))
        self.assertEqual(1, self.spend(ANN, 2, at=1000.4))

    def test_totalComesBack(self) -> None:
        """So does the total."""
        for who in (ANN, BOB):
            self.spend(who, 10, at=1000.0)
        self.assertEqual(2, self.spend("192.0.2.1", 9, at=1000.41))

    def test_notSaved(self) -> None:
        """No more than one second's worth is saved up."""
        self.spend(ANN, 10, at=1000.0)
        self.assertEqual(3, self.spend(ANN, 10, at=2000.0))

    def test_rate(self) -> None:
        """In the long run the rate holds, however often a source asks."""
        count = sum(self.spend(ANN, 5, at=1000.0 + tenths / 10) for tenths in range(100))
        self.assertIn(count, range(3 + 28, 3 + 31))

    def test_refusedCostsNothing(self) -> None:
        """A source with nothing left takes nothing from the others by asking again."""
        self.spend(ANN, 1000, at=1000.0)
        self.assertEqual(2, self.spend(BOB, 10, at=1000.0))

    def test_emptyCostsNothing(self) -> None:
        """If the total is used up, a source keeps its own share."""
        self.budget = Budget(3.0, 3.0)
        self.spend(ANN, 3, at=1000.0)
        self.assertEqual(0, self.spend(BOB, 10, at=1000.0))
        self.assertEqual(3, self.spend(BOB, 10, at=1001.0))

    def test_memory(self) -> None:
        """
        The source that has not asked for the longest time is forgotten, and gets a fresh share.
        """
        self.patch(budgetModule, "MAX_SOURCES", 2)
        self.budget = Budget(1.0, 100.0)
        for who in (ANN, BOB, ANN, "192.0.2.1"):
            self.budget.spend(who, 1000.0)
        self.assertEqual(2, len(self.budget._sources))
        self.assertEqual([False, True], [self.budget.spend(who, 1000.0) for who in (ANN, BOB)])

    def test_bound(self) -> None:
        """However many sources there are, the memory is bounded and the total holds."""
        granted = sum(self.budget.spend(f"source {number}", 1000.0) for number in range(10_000))
        self.assertEqual((5, 4096), (granted, len(self.budget._sources)))


class TimeBudgetTests(SynchronousTestCase):
    """
    A budget of half the time, of which a tenth of a second can be saved up.
    """

    def setUp(self) -> None:
        """Make the budget."""
        self.budget = TimeBudget(0.5, 0.1)
        self.assertTrue(self.budget.has(1000.0))

    def test_spent(self) -> None:
        """Only what is saved up can be spent at once."""
        self.budget.spend(0.06)
        self.assertTrue(self.budget.has(1000.0))
        self.budget.spend(0.06)
        self.assertFalse(self.budget.has(1000.0))

    def test_comesBack(self) -> None:
        """Each second adds half a second, and pays debts first."""
        self.budget.spend(1.1)
        self.assertEqual(
            [False, False, True], [self.budget.has(1000.0 + more) for more in (1.0, 1.99, 2.01)]
        )

    def test_notSaved(self) -> None:
        """No more is saved up, however long nobody works."""
        self.assertTrue(self.budget.has(2000.0))
        self.budget.spend(0.11)
        self.assertFalse(self.budget.has(2000.0))

    def test_share(self) -> None:
        """In the long run the share holds, whatever the pieces cost."""
        for piece in (0.001, 0.03, 0.7):
            self.setUp()
            worked = 0.0
            for step in range(10_000):
                while self.budget.has(1000.0 + step / 100):
                    self.budget.spend(piece)
                    worked += piece
            self.assertTrue(49 < worked < 51.1, (piece, worked))

    def test_pause(self) -> None:
        """The pause lasts until enough is available; it is zero if enough is."""
        self.assertEqual(0.0, self.budget.pause(0.05))
        self.budget.spend(0.1)
        self.assertAlmostEqual(0.1, self.budget.pause(0.05))
        self.budget.spend(0.5)
        self.assertAlmostEqual(1.1, self.budget.pause(0.05))
