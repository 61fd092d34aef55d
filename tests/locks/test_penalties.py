"""Tests of L{pkdoors.locks._penalties}."""

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks._penalties import Penalties, computePenaltyEnd, computePeriodEnd


class PenaltiesTests(SynchronousTestCase):
    """
    Tests of L{Penalties}.
    """

    def test_ends(self) -> None:
        """Each network has its own penalty; a network without one is not ignored."""
        penalties = Penalties(64)
        self.assertEqual(-inf, penalties.findEnd("a"))
        penalties.put("a", 5.0)
        penalties.put("b", 6.0)
        penalties.put("a", 7.0)
        self.assertEqual([7.0, 6.0, -inf], [penalties.findEnd(each) for each in "abc"])

    def test_bound(self) -> None:
        """Any number of penalties fits into the table, and the longest penalty stays."""
        penalties = Penalties(64)
        penalties.put("a", 1000.0)
        for number in range(5000):
            penalties.put(f"n{number}", 5.0)
        self.assertEqual(1000.0, penalties.findEnd("a"))
        left = [number for number in range(5000) if penalties.findEnd(f"n{number}") > 0]
        self.assertLess(len(left), 64)

    def test_idle(self) -> None:
        """The table takes no memory before the first penalty."""
        self.assertIsNone(Penalties()._hashes)


class EndTests(SynchronousTestCase):
    """
    Tests of the ends of penalties.
    """

    def test_length(self) -> None:
        """A penalty has at least its length, and at most a quarter more."""
        for number in range(1000):
            now = number / 7
            self.assertTrue(now + 5.0 <= computePenaltyEnd(now, 5.0) + 1e-9 <= now + 6.25 + 1e-8)

    def test_grid(self) -> None:
        """It ends at one of few times, which do not reveal when it began."""
        ends = {computePenaltyEnd(number / 1000, 5.0) for number in range(10_000)}
        self.assertEqual({5.0 + 1.25 * number for number in range(9)}, ends)

    def test_none(self) -> None:
        """No penalty ends at once."""
        self.assertEqual(7.3, computePenaltyEnd(7.3, 0.0))

    def test_period(self) -> None:
        """A period ends at a multiple of its length, and never now."""
        self.assertEqual(
            [600.0, 600.0, 1200.0], [computePeriodEnd(t, 600.0) for t in (0, 599.9, 600)]
        )
