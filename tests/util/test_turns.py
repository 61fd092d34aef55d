"""Tests of L{pkdoors.util.turns}."""

import threading
from collections.abc import Iterator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pkdoors.util.turns import (
    PER_TURN,
    PORTION,
    Slices,
    Turns,
    WakeableSleep,
    atOnce,
    makeBeside,
    takeInTurns,
)


class TurnsTests(SynchronousTestCase):
    """
    Tests of L{Turns}.
    """

    def setUp(self) -> None:
        """Make turns on a fake clock."""
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.done: list[int] = []

    def come(self, *numbers: int) -> None:
        """Ask for some turns, one after the other."""
        for number in numbers:
            self.turns.next().addCallback(self.go, number)

    def go(self, _: None, number: int) -> None:
        """Note who proceeds."""
        self.done.append(number)

    def turn(self) -> list[int]:
        """
        Run one turn of the reactor only, and return who proceeded; a fake clock would run them all.
        """
        self.done.clear()
        due, self.clock.calls[:] = list(self.clock.calls), []
        for call in due:
            call.func(*call.args, **call.kw)
        return self.done

    def test_few(self) -> None:
        """A few callers do not wait, and leave no timer."""
        self.come(1, 2)
        self.assertEqual([1, 2], self.done)
        self.assertEqual([], self.turn())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_many(self) -> None:
        """Of many callers, so many proceed in each turn, in the order in which they came."""
        everybody = list(range(2 * PER_TURN + 1))
        self.come(*everybody)
        self.assertEqual(everybody[:PER_TURN], self.done)
        self.assertEqual(everybody[PER_TURN : 2 * PER_TURN], self.turn())
        self.assertEqual(everybody[2 * PER_TURN :], self.turn())
        self.assertEqual([], self.turn())

    def test_noJumping(self) -> None:
        """A caller in the next turn queues behind those that wait."""
        self.come(*range(2 * PER_TURN))
        self.turn()
        self.come(-1)
        self.assertNotIn(-1, self.done)
        self.assertEqual([-1], self.turn())

    def test_again(self) -> None:
        """Each turn has the same room."""
        for _ in range(3):
            self.come(*range(PER_TURN))
            self.assertEqual(PER_TURN, len(self.done))
            self.turn()

    def test_comesAgain(self) -> None:
        """A caller that asks again in each turn gets no more than the others."""

        def again(_: object) -> None:
            self.done.append(0)
            self.turns.next().addCallback(again)

        self.turns.next().addCallback(again)
        self.assertEqual(PER_TURN, len(self.done))
        self.assertEqual(PER_TURN, len(self.turn()))


class WakeableSleepTests(SynchronousTestCase):
    """
    Tests of L{WakeableSleep}.
    """

    def setUp(self) -> None:
        """Make a sleep."""
        self.clock = Clock()
        self.nap = WakeableSleep(self.clock)

    def test_sleeps(self) -> None:
        """A sleep lasts as long as requested."""
        slept = Deferred.fromCoroutine(self.nap.sleep(3))
        self.clock.advance(2)
        self.assertNoResult(slept)
        self.clock.advance(1)
        self.successResultOf(slept)

    def test_woken(self) -> None:
        """A sleep can be ended early, and leaves no timer."""
        slept = Deferred.fromCoroutine(self.nap.sleep(3))
        self.nap.wake()
        self.successResultOf(slept)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_nobodySleeps(self) -> None:
        """Waking nobody does nothing."""
        self.nap.wake()
        self.assertNoResult(Deferred.fromCoroutine(self.nap.sleep(3)))


class SlicesTests(SynchronousTestCase):
    """
    Tests of L{Slices}, with work of which each step takes a millisecond.
    """

    def setUp(self) -> None:
        """Make the slices."""
        self.clock, self.spent = Clock(), 0.0
        self.slices = Slices(self.clock, lambda: self.spent)
        self.log: list[str] = []

    def work(self, name: str, count: int, isBroken: bool = False) -> Iterator[None]:
        """Do work."""
        for _ in range(count):
            self.spent += 0.001
            self.log.append(name)
            yield
        if isBroken:
            raise ZeroDivisionError

    def test_slices(self) -> None:
        """Each turn does two milliseconds of work, and as much time is left to everything else."""
        self.slices.add(self.work("a", 5))
        self.assertEqual([], self.log)
        for seconds, count in ((0, 2), (0.0015, 2), (0.0005, 4), (0.002, 5), (1, 5)):
            self.clock.advance(seconds)
            self.assertEqual(count, len(self.log))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_oneAfterTheOther(self) -> None:
        """Several works are done in their order."""
        for name in "ab":
            self.slices.add(self.work(name, 2))
        for _ in range(5):
            self.clock.advance(0.01)
        self.assertEqual(["a", "a", "b", "b"], self.log)

    def test_mistake(self) -> None:
        """A mistake in one is logged, and does not keep the others back."""
        self.slices.add(self.work("a", 1, isBroken=True))
        self.slices.add(self.work("b", 1))
        for _ in range(5):
            self.clock.advance(0.01)
        self.assertEqual(["a", "b"], self.log)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_stop(self) -> None:
        """After the end nothing is done."""
        self.slices.add(self.work("a", 9))
        self.clock.advance(0)
        self.slices.stop()
        self.clock.advance(1)
        self.assertEqual((2, []), (len(self.log), self.clock.getDelayedCalls()))


class TakeInTurnsTests(SynchronousTestCase):
    """Tests of L{takeInTurns}."""

    def test_portions(self) -> None:
        """After some time of work, others have their turns; all steps are taken, in order."""
        clock, done = Clock(), []

        def steps() -> Iterator[None]:
            for number in range(5):
                done.append(number)
                clock.rightNow += PORTION / 2
                yield

        finished = Deferred.fromCoroutine(takeInTurns(clock, steps()))
        for count in (2, 4):
            self.assertEqual([*range(count)], done)
            self.assertNoResult(finished)
            call = clock.calls.pop()  # one turn only: a fake clock would run them all
            call.func(*call.args, **call.kw)
        self.successResultOf(finished)
        self.assertEqual([*range(5)], done)

    def test_error(self) -> None:
        """An error ends the work, and is the result."""

        def steps() -> Iterator[None]:
            yield
            raise ValueError

        self.failureResultOf(Deferred.fromCoroutine(takeInTurns(Clock(), steps())), ValueError)


class BesideTests(TestCase):
    """Tests of L{makeBeside} and L{atOnce}."""

    async def test_thread(self) -> None:
        """The work is done in another thread; its result or error arrives in this one."""
        beside, threads = makeBeside(reactor), []

        def work() -> int:
            threads.append(threading.current_thread())
            return 7

        def fail() -> Any:
            raise ValueError

        self.assertEqual(7, await beside(work))
        self.assertIsNot(threading.main_thread(), threads[0])
        await self.assertFailure(beside(fail), ValueError)

    def test_atOnce(self) -> None:
        """Without a reactor it is done at once, and an error is a failure as well."""
        self.assertEqual(7, self.successResultOf(atOnce(lambda: 7)))
        self.failureResultOf(atOnce(lambda: 1 // 0), ZeroDivisionError)
