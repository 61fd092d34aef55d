"""Tests of L{pkdoors.knockports._ordering}."""

import random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports._ordering import MAX_HELD, QUEUEING, Reorderer
from pkdoors.knocks.knock import Knock
from pkdoors.model.knockports import KnockPort


class FakePort:
    """
    A port that has more to read.

    @param more: the stamps of what it has, read after read.
    """

    def __init__(self, reorderer: Reorderer, last: int, *more: list[int]) -> None:
        self._reorderer = reorderer
        self.last = last
        self.more = list(more)

    def doRead(self) -> None:
        """Add what it has."""
        if self.more:
            stamps = self.more.pop(0)
            self.last = stamps[-1]
            self._reorderer.add([knockOn(each, each) for each in stamps])
        if self.more:
            self._reorderer.addUnfinished(self)


def knockOn(port: int, stamp: int) -> Knock:
    """Return a knock."""
    return Knock("203.0.113.9", port, b"knock\n", stamp)


class InboxTests(SynchronousTestCase):
    """
    The order of knocks.
    """

    def setUp(self) -> None:
        """Make one."""
        self.clock = Clock()
        self.heard: list[KnockPort] = []
        self.time = 0
        self.isQuiet = False
        self.reorderer = Reorderer(
            self.clock,
            lambda knocks: self.heard.extend(knock.port for knock in knocks),
            lambda: self.time,
            lambda: self.isQuiet,
        )

    def turn(self, *stamps: Any, ends: int = 0) -> list[KnockPort]:
        """
        Return what is heard at the end of a turn in which these were read; the port is the stamp.

        @param ends: when the turn ends; as the last one, where nothing is said.
        """
        self.time = ends or self.time
        for each in stamps:
            self.reorderer.add([knockOn(each, each)])
        self.heard.clear()
        due: Any = self.clock.getDelayedCalls()
        for call in due:  # what they schedule is for the next turn
            work = call.func
            call.cancel()
            work()
        return list(self.heard)

    def test_order(self) -> None:
        """Knocks are handled in the order in which they came."""
        stamps: list[KnockPort] = list(range(1, 200))
        random.Random(7).shuffle(stamps)
        self.assertEqual([], self.turn(*stamps[:100], ends=200))
        self.assertEqual(sorted(stamps), self.turn(*stamps[100:]))

    def test_nextTurn(self) -> None:
        """A knock is handled one turn later, and only once; then no more turns are scheduled."""
        self.assertEqual([], self.turn(5, ends=6))
        self.assertEqual([5], self.turn())
        self.assertEqual([], self.turn())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_readTooEarly(self) -> None:
        """
        Of two ports that had something the first was read; then it got 3, and the second one got 4,
        and was read.
        """
        self.assertEqual([], self.turn(1, 2, 4, ends=5))
        self.assertEqual([1, 2, 3, 4], self.turn(3, ends=6))

    def test_readWhileItCame(self) -> None:
        """Knocks that come while a turn reads wait for the next one; older ones do not."""
        self.turn(1, ends=10)
        self.assertEqual([1, 9], self.turn(9, 12, ends=13))
        self.assertEqual([11, 12], self.turn(11, ends=14))

    def test_sameTime(self) -> None:
        """
        Knocks of the same time, or without one, are handled in the order in which they were read.
        """
        for port in (3, 1, 2):
            self.reorderer.add([knockOn(port, 0)])
        self.clock.advance(0)
        self.assertEqual([3, 1, 2], self.heard)

    def test_readsOn(self) -> None:
        """What else a port had is read at once, and handled with the rest."""
        self.turn(10, 30, 9, 20, ends=40)
        self.reorderer.addUnfinished(FakePort(self.reorderer, 10, [11, 12], [13]))
        self.assertEqual([9, 10, 11, 12, 13, 20, 30], self.turn(ends=41))
        self.assertEqual([], self.turn())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_inTurn(self) -> None:
        """Several ports that have more get turns, and not too many of them."""
        self.turn(1000, ends=2000)
        ports = [FakePort(self.reorderer, 1, *([each] for each in range(2, 100))) for _ in range(2)]
        for port in ports:
            self.reorderer.addUnfinished(port)
        heard = self.turn(ends=2001)
        self.assertEqual([2, 2, 3, 3, 4, 4, 5, 5], heard)
        self.assertEqual([5, 5], [port.last for port in ports])

    def test_cannotBeRead(self) -> None:
        """If a port cannot be read on, by a mistake of ours, the others are still handled."""
        self.turn(1, ends=10)
        broken = FakePort(self.reorderer, 1, [])
        self.reorderer.addUnfinished(broken)
        self.assertRaises(IndexError, self.turn)
        self.assertEqual([1, 2], self.turn(2, ends=11) + self.turn(ends=12))

    def test_behind(self) -> None:
        """Knocks that are younger than those of an unfinished port wait until it was read."""
        self.turn(10, 30, 9, 20, ends=40)
        self.reorderer.addUnfinished(port := FakePort(self.reorderer, 5, *[[10]] * 20))
        self.assertEqual([9, *[10] * 9], self.turn(ends=41))
        port.more = [[12, 11]]
        port.doRead()
        self.assertEqual([11, 12, 20, 30], self.turn(ends=42))

    def test_severalBehind(self) -> None:
        """The port that is furthest behind decides."""
        self.turn(5, 10, 12, ends=20)
        self.reorderer.addUnfinished(FakePort(self.reorderer, 10, *[[10]] * 20))
        self.reorderer.addUnfinished(FakePort(self.reorderer, 5, *[[5]] * 20))
        self.assertEqual([5] * 5, self.turn())

    def test_notBehindForEver(self) -> None:
        """A port delays others for one turn: after that it says again if it has more."""
        self.turn(10, ends=20)
        for _ in range(50):
            self.reorderer.addUnfinished(FakePort(self.reorderer, 5))
        self.assertEqual([], self.turn(ends=21))
        self.assertEqual([10], self.turn(ends=22))

    def test_bound(self) -> None:
        """If too many wait they are handled, whoever is behind."""
        self.turn(1, ends=2)
        self.reorderer.addUnfinished(port := FakePort(self.reorderer, 1, *[[1]] * 100))
        self.assertEqual([1] * 9, self.turn(*range(2, MAX_HELD - 7), ends=2 * MAX_HELD))
        for _ in range(2):
            port.doRead()
        self.assertEqual(MAX_HELD + 1, len(self.turn()))

    def test_clockSetBack(self) -> None:
        """Knocks from the future do not wait for that time: the clock was set back."""
        self.turn(1000, 1001, ends=1002)
        self.assertEqual([1000, 1001, 2000], self.turn(2000, ends=50))
        self.assertEqual([40, 45], self.turn(45, 40, ends=51))

    def test_quiet(self) -> None:
        """If no port has anything left, a knock is handled at once, and only once."""
        self.isQuiet, self.time = True, 1_000_000
        self.reorderer.add([knockOn(5, 1_000_000 - QUEUEING - 1)])
        self.assertEqual([5], self.heard)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_notQuiet(self) -> None:
        """
        A knock waits if any port has something, if one that is older may still be on its way to its
        socket, if the clock was set back, and if others wait.
        """
        self.time = 1_000_000
        old = self.time - QUEUEING - 1
        for isQuiet, stamps in (
            (False, [old]),
            (True, [old + 1]),
            (True, [self.time + 1]),
            (True, [old, old - 1]),
        ):
            self.isQuiet = isQuiet
            self.reorderer.add([knockOn(each, each) for each in stamps])
            self.assertEqual([], self.heard)
            self.isQuiet = True
            self.reorderer.add([knockOn(7, old - 7)])
            self.assertEqual([], self.heard)
            self.clock.advance(0)
            self.assertEqual([7, *sorted(stamps)], self.heard)
            self.heard.clear()

    def test_close(self) -> None:
        """After the end nothing is handled."""
        self.reorderer.add([knockOn(1, 1)])
        self.reorderer.close()
        self.clock.advance(0)
        self.assertEqual(([], []), (self.heard, self.clock.getDelayedCalls()))
        self.reorderer.close()
