"""Tests of L{pkdoors.fleet.relay._backlog}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.fleet.relay._backlog import Backlog


class BacklogTests(SynchronousTestCase):
    """Tests of the queue with a bound."""

    def test_bound(self) -> None:
        """If it is full the oldest item gives way, and is counted."""
        backlog: Backlog[int] = Backlog(3)
        self.assertEqual([False] * 3 + [True] * 2, [backlog.add(number) for number in range(5)])
        self.assertEqual((3, 2, [2, 3, 4]), (len(backlog), backlog.dropped, backlog.first(9)[1]))

    def test_remove(self) -> None:
        """Items that gave way while they were on their way are not removed again."""
        backlog: Backlog[int] = Backlog(3)
        for number in range(3):
            backlog.add(number)
        first, items = backlog.first(2)
        self.assertEqual([0, 1], items)
        backlog.add(3)
        backlog.remove(first, 2)
        self.assertEqual([2, 3], backlog.first(9)[1])
        first, items = backlog.first(1)
        for number in range(4, 8):
            backlog.add(number)
        backlog.remove(first, 1)
        self.assertEqual([5, 6, 7], backlog.first(9)[1])
