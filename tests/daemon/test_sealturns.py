"""Tests of L{pkdoors.daemon.sealturns}."""

from collections.abc import Iterable, Iterator

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.sealturns import SealTurns
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.checking.checks import SAVED, SHARE, SLICE
from pkdoors.locks.sealed.checking.queue import Waiting
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log
from tests.locks.sealed.checking.test_queue import SEALED

ANN = "203.0.113.9"


class SealTurnsTests(SynchronousTestCase):
    """
    Checks that take 0.6 ms each.
    """

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.door = makeDoor()
        self.worked, self.number = 0.0, 0
        self.heeded: list[Request | Refusal] = []
        self.mistake = False
        self.smith = smith = Locksmith([], None, self.clock.seconds, lambda: self.worked)
        self.checks = smith.checks
        self.turns = SealTurns(self.clock, lambda: 1_800_000_000.0, smith, self.heed)

    def heed(self, results: Iterable[Request | Refusal]) -> None:
        """Note the results of knocks."""
        self.heeded += results

    def examine(self, waiting: Waiting, now: float, today: float) -> Request | Refusal:
        """Check a knock: all are good."""
        self.worked += 0.0006
        if self.mistake:
            self.mistake = False
            raise ZeroDivisionError
        return Request(self.door, waiting.source, waiting.key[1])

    def err(self, waiting: Waiting, now: float, today: float) -> Request | Refusal:
        """Fail to check a knock."""
        self.worked += 0.0006
        raise ZeroDivisionError

    def submit(self, count: int) -> None:
        """Deliver some knocks."""
        for _ in range(count):
            self.number += 1
            waiting = Waiting(self, (ANN, self.number, 0), SEALED, ANN, 0.0, 5, 15)
            result = self.checks.submit(waiting, self.clock.seconds(), 0.0)
            self.heeded += [] if result is None else [result]

    def test_atOnce(self) -> None:
        """Knocks are checked at once while there is time, and nothing waits or wakes up."""
        self.submit(3)
        self.assertEqual(3, len(self.heeded))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_later(self) -> None:
        """More knocks are checked in slices; when all are done nothing wakes up any more."""
        turns, work = [], self.checks.work

        def measured(now: float, today: float) -> Iterator[Request | Refusal]:
            before = self.worked
            yield from work(now, today)
            turns.append(self.worked - before)

        self.patch(self.checks, "work", measured)
        self.submit(500)
        while self.clock.getDelayedCalls():
            self.clock.advance(0.001)
        self.assertLess(max(turns), SLICE + 0.0006)
        names = {each.seconds for each in self.heeded if isinstance(each, Request)}
        self.assertEqual((500, 500), (len(self.heeded), len(names)))
        self.assertLess(abs(self.worked - SAVED - SHARE * self.clock.seconds()), 0.01)

    def test_mistake(self) -> None:
        """A mistake in one check is one line, and does not delay the others."""
        log = Log(self)
        self.submit(50)
        self.mistake = True
        self.clock.pump([0.001] * 100)
        self.assertEqual(49, len(self.heeded))
        self.assertIn("the check of a sealed knock went wrong", log.lines()[0])
        self.flushLoggedErrors(ZeroDivisionError)

    def test_mistakes(self) -> None:
        """More mistakes within a second cause no more lines."""
        log = Log(self)
        self.submit(50)
        self.patch(self, "examine", self.err)
        self.clock.pump([0.001] * 100)
        self.assertEqual(1, len(log.lines()))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.flushLoggedErrors(ZeroDivisionError)

    def test_stop(self) -> None:
        """After the end nothing is checked, even if more knocks come."""
        self.submit(50)
        done = len(self.heeded)
        self.successResultOf(self.turns.stop())
        self.submit(5)
        self.clock.advance(1.0)
        self.assertEqual(([], done), (self.clock.getDelayedCalls(), len(self.heeded)))

    def test_left(self) -> None:
        """At the end, the notes for the next daemon are complete."""
        ended = []
        self.patch(self.smith, "stop", lambda: ended.append(True))
        self.successResultOf(self.turns.stop())
        self.assertEqual([True], ended)
