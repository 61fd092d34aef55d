"""Tests of L{pkdoors.inbox}."""

import random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.inbox import MAX_HELD, Inbox
from pkdoors.knock import Knock


def knockOn(port: int) -> Knock:
    """A knock."""
    return Knock("203.0.113.9", port, b"knock\n")


class InboxTests(SynchronousTestCase):
    """
    The order of knocks.
    """

    def setUp(self) -> None:
        """Have one."""
        self.clock = Clock()
        self.heard: list[int] = []
        self.inbox = Inbox(self.clock, lambda knock: self.heard.append(knock.port))

    def turn(self, *stamps: int) -> list[int]:
        """What is heard at the end of a turn in which these were read; the port is the stamp."""
        for each in stamps:
            self.inbox.put(each, knockOn(each))
        self.heard.clear()
        due: list[Any] = self.clock.getDelayedCalls()
        for call in due:  # what they schedule is for the next turn
            work = call.func
            call.cancel()
            work()
        return list(self.heard)

    def test_order(self) -> None:
        """What is read in one turn is heard in the order in which it came."""
        stamps = list(range(1, 200))
        random.Random(7).shuffle(stamps)
        self.assertEqual(sorted(stamps), self.turn(*stamps))

    def test_atOnce(self) -> None:
        """It is heard at the end of the turn, and only once."""
        self.assertEqual([5], self.turn(5))
        self.assertEqual([], self.turn())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_sameTime(self) -> None:
        """What came at one time, or at none, is heard in the order in which it was read."""
        for port in (3, 1, 2):
            self.inbox.put(0, knockOn(port))
        self.clock.advance(0)
        self.assertEqual([3, 1, 2], self.heard)

    def test_behind(self) -> None:
        """What is younger than what a port has not told yet waits for the next turn."""
        self.inbox.putLast(10)
        self.assertEqual([9, 10], self.turn(10, 30, 9, 20))
        self.assertEqual([11, 12, 20, 30], self.turn(12, 11))

    def test_severalBehind(self) -> None:
        """The port that is furthest behind counts."""
        self.inbox.putLast(10)
        self.inbox.putLast(5)
        self.assertEqual([5], self.turn(5, 10, 12))
        self.assertEqual([10, 12], self.turn())

    def test_bound(self) -> None:
        """Where too many wait they are heard, whoever is behind."""
        self.inbox.putLast(0)
        self.assertEqual([], self.turn(*range(1, MAX_HELD + 1)))
        self.inbox.putLast(0)
        self.assertEqual(list(range(1, MAX_HELD + 2)), self.turn(MAX_HELD + 1))

    def test_close(self) -> None:
        """After its end nothing is heard."""
        self.inbox.put(1, knockOn(1))
        self.inbox.close()
        self.clock.advance(0)
        self.assertEqual(([], []), (self.heard, self.clock.getDelayedCalls()))
        self.inbox.close()
