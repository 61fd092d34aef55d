"""Tests of L{pkdoors.util.loglimits}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.loglimits import MAX_LINES, LineLimit


class LineLimitTests(SynchronousTestCase):
    """
    Tests of L{LineLimit}.
    """

    def setUp(self) -> None:
        """Make the limit."""
        self.limit = LineLimit()

    def test_oncePerSource(self) -> None:
        """A source gets one line a second."""
        admitted = [self.limit.admit("a", now) for now in (0.0, 0.0, 0.5, 0.999, 1.0, 1.5, 2.0)]
        self.assertEqual([True, False, False, False, True, False, True], admitted)

    def test_sourcesApart(self) -> None:
        """Sources do not use up each other's lines."""
        self.assertEqual([True] * 3, [self.limit.admit(each, 0.0) for each in "abc"])

    def test_inAll(self) -> None:
        """All sources together get 20 lines in a second."""
        self.assertEqual(20, MAX_LINES)
        admitted = [self.limit.admit(f"s{number}", number / 1000) for number in range(900)]
        self.assertEqual([True] * 20 + [False] * 880, admitted)

    def test_inAllAgain(self) -> None:
        """A second later there are lines again."""
        for number in range(100):
            self.limit.admit(f"s{number}", 0.0)
        self.assertTrue(self.limit.admit("x", 1.0))

    def test_slidingSecond(self) -> None:
        """No period of one second, whenever it begins, has more than 20 lines."""
        lines = [now / 100 for now in range(1000) if self.limit.admit(f"s{now}", now / 100)]
        self.assertEqual(200, len(lines))
        for begin in lines:
            self.assertLessEqual(len([t for t in lines if begin <= t < begin + 1.0]), 20)

    def test_suppressed(self) -> None:
        """Suppressed lines are counted, and asking for the count resets it."""
        self.assertEqual(0, self.limit.newSuppressed())
        for _ in range(5):
            self.limit.admit("a", 0.0)
        self.assertEqual([4, 0], [self.limit.newSuppressed(), self.limit.newSuppressed()])

    def test_memory(self) -> None:
        """It remembers only the sources that got a line in the last second."""
        for number in range(10_000):
            self.limit.admit(f"s{number}", number / 100)
        self.assertLessEqual(len(self.limit._last), 20)


class GroupTests(SynchronousTestCase):
    """
    Lines of several groups.
    """

    def setUp(self) -> None:
        """Make the limit."""
        self.limit = LineLimit()

    def test_reserved(self) -> None:
        """Any number of lines of one group leaves room for a line of another group."""
        flood = [self.limit.admit(f"s{number}", 0.0, "flood") for number in range(1000)]
        self.assertEqual(10, sum(flood))
        self.assertEqual([True, False], [self.limit.admit(each, 0.5, "other") for each in "ab"])

    def test_inAll(self) -> None:
        """Any number of groups gets 20 lines in a second."""
        lines = [self.limit.admit(f"s{number}", 0.0, f"{number}") for number in range(1000)]
        self.assertEqual(20, sum(lines))
