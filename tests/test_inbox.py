"""Tests of L{pkdoors.inbox}."""

import random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.inbox import MAX_HELD, Inbox
from pkdoors.knock import Knock


def knockOn(port: int, stamp: int) -> Knock:
    """A knock."""
    return Knock("203.0.113.9", port, b"knock\n", stamp)


class InboxTests(SynchronousTestCase):
    """
    The order of knocks.
    """

    def setUp(self) -> None:
        """Have one."""
        self.clock = Clock()
        self.heard: list[int] = []
        self.time = 0
        self.inbox = Inbox(
            self.clock,
            lambda knocks: self.heard.extend(knock.port for knock in knocks),
            lambda: self.time,
        )

    def turn(self, *stamps: int, ends: int = 0) -> list[int]:
        """
        What is heard at the end of a turn in which these were read; the port is the stamp.

        @param ends: when the turn ends; as the last one, where nothing is said.
        """
        self.time = ends or self.time
        for each in stamps:
            self.inbox.put([knockOn(each, each)])
        self.heard.clear()
        due: Any = self.clock.getDelayedCalls()
        for call in due:  # what they schedule is for the next turn
            work = call.func
            call.cancel()
            work()
        return list(self.heard)

    def test_order(self) -> None:
        """What was read is heard in the order in which it came."""
        stamps = list(range(1, 200))
        random.Random(7).shuffle(stamps)
        self.assertEqual([], self.turn(*stamps[:100], ends=200))
        self.assertEqual(sorted(stamps), self.turn(*stamps[100:]))

    def test_nextTurn(self) -> None:
        """A knock is heard one turn later, and only once; then there is no turn for nothing."""
        self.assertEqual([], self.turn(5, ends=6))
        self.assertEqual([5], self.turn())
        self.assertEqual([], self.turn())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_readTooEarly(self) -> None:
        """
        Of two ports that had something the first was read; then it got 3, and the second one 4,
        and that was read.
        """
        self.assertEqual([], self.turn(1, 2, 4, ends=5))
        self.assertEqual([1, 2, 3, 4], self.turn(3, ends=6))

    def test_readWhileItCame(self) -> None:
        """What comes while a turn reads waits for the next one, and what is older does not."""
        self.turn(1, ends=10)
        self.assertEqual([1, 9], self.turn(9, 12, ends=13))
        self.assertEqual([11, 12], self.turn(11, ends=14))

    def test_sameTime(self) -> None:
        """What came at one time, or at none, is heard in the order in which it was read."""
        for port in (3, 1, 2):
            self.inbox.put([knockOn(port, 0)])
        self.clock.advance(0)
        self.assertEqual([3, 1, 2], self.heard)

    def test_behind(self) -> None:
        """What is younger than what a port has not told yet waits until it has."""
        self.turn(10, 30, 9, 20, ends=40)
        self.inbox.putLast(10)
        self.assertEqual([9, 10], self.turn(ends=41))
        self.assertEqual([11, 12, 20, 30], self.turn(12, 11, ends=42))

    def test_severalBehind(self) -> None:
        """The port that is furthest behind counts."""
        self.turn(5, 10, 12, ends=20)
        self.inbox.putLast(10)
        self.inbox.putLast(5)
        self.assertEqual([5], self.turn())
        self.assertEqual([10, 12], self.turn())

    def test_bound(self) -> None:
        """Where too many wait they are heard, whoever is behind."""
        self.inbox.putLast(1)
        self.assertEqual([], self.turn(*range(2, MAX_HELD + 2), ends=2 * MAX_HELD))
        self.inbox.putLast(1)
        self.assertEqual(MAX_HELD + 1, len(self.turn(MAX_HELD + 2)))

    def test_clockSetBack(self) -> None:
        """What seems to come from the future does not wait for that: the clock was set back."""
        self.turn(1000, 1001, ends=1002)
        self.assertEqual([1000, 1001, 2000], self.turn(2000, ends=50))
        self.assertEqual([40, 45], self.turn(45, 40, ends=51))

    def test_close(self) -> None:
        """After its end nothing is heard."""
        self.inbox.put([knockOn(1, 1)])
        self.inbox.close()
        self.clock.advance(0)
        self.assertEqual(([], []), (self.heard, self.clock.getDelayedCalls()))
        self.inbox.close()
