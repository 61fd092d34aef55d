"""Tests of L{pkdoors.util.lane}."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util import lane as laneModule
from pkdoors.util.lane import WAITED, Lane
from pkdoors.util.turns import PORTION
from tests.fakes.threads import HeldThread

T = TypeVar("T")


class LaneTestCase(SynchronousTestCase):
    """
    A lane whose thread waits until a test lets it work.
    """

    def setUp(self) -> None:
        """Make the lane."""
        self.clock = Clock()
        self.thread = HeldThread()
        self.lane = Lane(self.clock, self.thread)
        self.done: list[str] = []

    def run_(self, name: str) -> Deferred[None]:
        """Have work done, and note when its caller goes on."""
        worked = self.lane.run(lambda: self.done.append(name))
        return worked.addCallback(lambda _: self.done.append(f"after {name}"))

    def call(self, name: str) -> Deferred[None]:
        """Make a call."""
        return self.lane.do(lambda: execute(self.done.append, name))


class CallTests(LaneTestCase):
    """
    Tests of calls.
    """

    def test_atOnce(self) -> None:
        """If nothing is done beside the reactor, a call is made at once."""
        self.successResultOf(self.call("a"))
        self.assertEqual((["a"], False), (self.done, self.lane.isBusy))

    def test_waits(self) -> None:
        """Calls wait for the present work and its caller, in their order; the next work waits."""
        first, second = self.run_("first"), self.run_("second")
        calls = [self.call("a"), self.call("b")]
        self.assertEqual(([], 1), (self.done, len(self.thread)))
        self.assertTrue(self.lane.isBusy)
        self.thread.work()
        self.successResultOf(first)
        for call in calls:
            self.successResultOf(call)
        self.assertEqual(["first", "after first", "a", "b"], self.done)
        self.assertNoResult(second)
        self.thread.work()
        self.assertEqual(["second", "after second"], self.done[4:])
        self.assertFalse(self.lane.isBusy)

    def test_cancelled(self) -> None:
        """A call that is cancelled before is not made; one that has begun is cancelled itself."""
        self.run_("work")
        gone, hanging = self.call("gone"), Deferred[None]()
        begun = self.lane.do(lambda: hanging)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.thread.work()
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        self.assertTrue(hanging.called)
        self.assertEqual(["work", "after work"], self.done)

    def test_fails(self) -> None:
        """A call that fails tells its caller, and the others are made."""
        self.run_("work")
        failed = self.lane.do(lambda: execute(int, "x"))
        self.call("a")
        self.thread.work()
        self.failureResultOf(failed, ValueError)
        self.assertEqual("a", self.done[-1])

    def test_ofCalls(self) -> None:
        """A call that a waiting call makes comes behind those that wait already."""
        self.run_("work")
        self.lane.do(lambda: succeed(self.call("c")))
        self.call("b")
        self.thread.work()
        self.assertEqual(["b", "c"], self.done[2:])

    def test_manyInTurns(self) -> None:
        """Very many calls that have waited take several turns, and no new one overtakes them."""
        self.run_("work")
        for name in "abc":
            self.lane.do(partial(execute, self.slow, name))
        self.thread.work()
        self.assertEqual(["a"], self.done[2:])
        self.call("d")
        for _ in "bc":
            self.clock.advance(0)
        self.assertEqual([*"abcd"], self.done[2:])
        self.assertFalse(self.lane.isBusy)

    def test_manyBeforeWork(self) -> None:
        """They do not keep the next work from beginning, however many they are."""
        for name in ("work", "more", "last"):
            self.run_(name)
        for name in "abc":
            self.lane.do(partial(execute, self.slow, name))
        for _ in range(3):
            self.thread.work()
        expected = ["work", "after work", "a", "more", "after more", "b", "last", "after last", "c"]
        self.assertEqual(expected, self.done)

    def test_manyBeforeHere(self) -> None:
        """Work in the reactor lets some turns of calls pass, then it makes all of them."""
        self.patch(laneModule, "PATIENCE", 2)
        self.lane = Lane(self.clock, self.thread)
        self.run_("work")
        self.lane.runHere(lambda: self.done.append("here"))
        for name in "abcdef":
            self.lane.do(partial(execute, self.slow, name))
        self.thread.work()
        self.assertEqual([*"a"], self.done[2:])
        (call,) = self.clock.calls
        self.clock.calls.clear()
        call.func()
        self.assertEqual([*"ab"], self.done[2:])
        (call,) = self.clock.calls
        call.func()
        self.assertEqual([*"abcdef", "here"], self.done[2:])

    def slow(self, name: str) -> None:
        """Do what takes longer than a turn may."""
        self.done.append(name)
        self.clock.rightNow += 2 * WAITED


class WorkTests(LaneTestCase):
    """
    Tests of work.
    """

    def test_fails(self) -> None:
        """Work that fails tells its caller, and the next work begins."""
        failed = self.lane.run(lambda: int("x"))
        prepared: Deferred[None] = self.lane.runPrepared(lambda: self.fail("no work"))
        self.run_("work")
        self.thread.work()
        self.failureResultOf(failed, ValueError)
        self.failureResultOf(prepared, self.failureException)
        self.thread.work()
        self.assertEqual(["work", "after work"], self.done)

    def test_cancelled(self) -> None:
        """Work that is cancelled before it begins is not done; otherwise it is done to its end."""
        begun, gone = self.run_("begun"), self.run_("gone")
        for each in (begun, gone):
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.call("a")
        self.assertEqual([], self.done)
        self.thread.work()
        self.assertEqual((["begun", "a"], 0), (self.done, len(self.thread)))
        self.assertFalse(self.lane.isBusy)

    def test_prepared(self) -> None:
        """Work is prepared in the reactor, after the calls that came before its turn."""
        self.run_("work")

        def prepare() -> Callable[[], None]:
            self.done.append("prepared")
            return lambda: self.done.append("done")

        self.lane.runPrepared(prepare)
        self.call("a")
        self.thread.work()
        self.assertEqual(["a", "prepared"], self.done[2:])
        self.thread.work()
        self.assertEqual("done", self.done[-1])

    def test_here(self) -> None:
        """
        Work in the reactor is done when no call waits, and its caller goes on before any other.
        """
        self.run_("work")
        here = self.lane.runHere(lambda: self.done.append("here"))

        def goOn(_: None) -> None:
            self.call("late")
            self.done.append("goes on")

        here.addCallback(goOn)
        self.call("a")
        self.thread.work()
        self.assertEqual(["a", "here", "goes on", "late"], self.done[2:])

    def test_afterwards(self) -> None:
        """What only the reactor's thread may do waits for the end of the work."""
        self.lane.afterwards(lambda: self.done.append("now"))
        self.lane.run(lambda: self.lane.afterwards(lambda: self.done.append("reactor")))
        self.assertEqual(["now"], self.done)
        self.call("a")
        self.thread.work()
        self.assertEqual(["now", "reactor", "a"], self.done)


class StepTests(LaneTestCase):
    """
    Tests of work in steps.
    """

    def steps(self, *seconds: float) -> Iterator[None]:
        """Take steps that last so long."""
        for number, each in enumerate(seconds):
            self.done.append(f"step {number}")
            self.clock.rightNow += each
            yield

    def test_steps(self) -> None:
        """Short steps are taken together; between others, calls are made."""
        taken = Deferred.fromCoroutine(self.lane.take(self.steps(0.0, 0.0, PORTION, 0.0)))
        self.call("a")
        self.thread.work()
        self.assertEqual(["step 0", "step 1", "step 2", "a"], self.done)
        self.successResultOf(self.call("b"))
        self.clock.advance(0)
        self.call("c")
        self.thread.work()
        self.assertEqual(["b", "step 3", "c"], self.done[4:])
        self.successResultOf(taken)

    def test_fails(self) -> None:
        """A step that fails ends the work."""

        def fail() -> Iterator[None]:
            yield
            raise ValueError

        taken = Deferred.fromCoroutine(self.lane.take(fail()))
        self.thread.work()
        self.failureResultOf(taken, ValueError)
        self.assertFalse(self.lane.isBusy)

    def test_here(self) -> None:
        """Steps in the reactor wait for the calls before each; nothing comes after the last."""
        self.run_("work")
        taken = Deferred.fromCoroutine(self.lane.takeHere(self.steps(0.0, 0.0)))
        taken.addCallback(lambda _: self.done.append("goes on"))
        self.call("a")
        self.thread.work()
        self.assertEqual(["a", "step 0"], self.done[2:])
        self.run_("more")
        self.call("b")
        self.clock.advance(0)
        self.thread.work()
        self.assertEqual(["b", "step 1"], self.done[6:])
        self.clock.advance(0)
        self.assertEqual("goes on", self.done[-1])

    def test_atOnce(self) -> None:
        """Without a thread, work is done at once."""
        self.patch(laneModule, "PORTION", 0.0)
        self.lane = Lane(self.clock)
        taken = Deferred.fromCoroutine(self.lane.take(self.steps(0.0, 0.0)))
        self.assertEqual(["step 0"], self.done)
        for _ in range(2):
            self.clock.advance(0)
        self.successResultOf(taken)
