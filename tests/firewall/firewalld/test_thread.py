"""Tests of L{pkdoors.firewall.firewalld.thread}."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld import thread
from pkdoors.firewall.firewalld.thread import RESULTS_PER_TURN, BusThread
from tests.fakes.modules import makeModule, replaceModule


class FakeGLib:
    """
    GLib, whose main loop is stepped by hand.

    @ivar isEager: whether work is done as soon as it is handed over.
    """

    def __init__(self) -> None:
        self.isEager = False
        self.isQuit = False
        self._idle: deque[Callable[[], bool]] = deque()

    def MainLoop(self) -> "FakeGLib":
        """The loop."""
        return self

    def run(self) -> None:
        """Do the work that waits, until it is told to quit."""
        while self._idle and not self.isQuit:
            self.step()

    def quit(self) -> None:
        """End the loop."""
        self.isQuit = True

    def idle_add(self, work: Callable[[], bool]) -> None:
        """Do work in the loop."""
        self._idle.append(work)
        if self.isEager:
            self.step()

    def step(self) -> None:
        """Do one piece of work, and again later if it asks for that."""
        work = self._idle.popleft()
        if work():
            self._idle.append(work)

    def waiting(self) -> int:
        """Return the number of waiting pieces of work."""
        return len(self._idle)


class FakeThread:
    """
    A thread that is stepped by hand.
    """

    def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
        self.target, self.name, self.daemon = target, name, daemon
        self.isStarted = False

    def start(self) -> None:
        """Start."""
        assert not self.isStarted
        self.isStarted = True


class BusThreadTests(SynchronousTestCase):
    """
    Tests of L{BusThread}.
    """

    def setUp(self) -> None:
        """Make it, without a real thread."""
        self.glib = FakeGLib()
        self.threads: list[FakeThread] = []
        self.fromThread: deque[Callable[[], Any]] = deque()
        replaceModule(self, "gi.repository", makeModule("gi.repository", GLib=self.glib))
        self.patch(thread, "Thread", self.makeThread)
        self.thread = BusThread(self.callFromThread)
        self.done: list[int] = []

    def makeThread(self, **arguments: Any) -> FakeThread:
        """Stand in for C{Thread}."""
        self.threads.append(FakeThread(**arguments))
        return self.threads[-1]

    def callFromThread(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Stand in for the reactor's method."""
        self.fromThread.append(lambda: work(*arguments))

    def react(self) -> None:
        """Do the reactor's next turn."""
        while self.fromThread:
            self.fromThread.popleft()()

    def test_start(self) -> None:
        """It starts one thread, which does not keep the process alive."""
        self.thread.start()
        (thread,) = self.threads
        self.assertEqual(
            (True, True, "pkdoors-bus"), (thread.isStarted, thread.daemon, thread.name)
        )

    def test_nothingBefore(self) -> None:
        """Making it starts nothing: a daemon forks later."""
        self.assertEqual([], self.threads)

    def test_missing(self) -> None:
        """Without GLib's bindings the import fails, and no thread is left."""
        replaceModule(self, "gi.repository", None)
        self.assertRaises(ImportError, self.thread.start)
        self.assertEqual([], self.threads)

    def test_callBlocking(self) -> None:
        """A blocking call returns the result of the work."""
        self.glib.isEager = True
        self.thread.start()
        self.assertEqual(42, self.thread.callBlocking(lambda: 42, 1.0))

    def test_callBlockingRaises(self) -> None:
        """A blocking call raises the error of the work."""
        self.glib.isEager = True
        self.thread.start()
        self.assertRaises(ZeroDivisionError, self.thread.callBlocking, lambda: 1 // 0, 1.0)

    def test_callBlockingTimesOut(self) -> None:
        """A blocking call does not wait for ever."""
        self.thread.start()
        self.assertRaises(TimeoutError, self.thread.callBlocking, lambda: 42, 0.0)

    def test_call(self) -> None:
        """A call is done in the loop; its result comes in the reactor's next turn."""
        self.thread.start()
        result = self.thread.call(lambda: 42)
        self.assertNoResult(result)
        self.glib.step()
        self.assertNoResult(result)
        self.react()
        self.assertEqual(42, self.successResultOf(result))

    def test_callFails(self) -> None:
        """So does its error."""
        self.thread.start()
        result = self.thread.call(lambda: 1 // 0)
        self.glib.step()
        self.assertNoResult(result)
        self.react()
        self.failureResultOf(result, ZeroDivisionError)

    def test_once(self) -> None:
        """Work is done once, even if its result is true."""
        self.thread.start()
        result = self.thread.call(lambda: True)
        self.glib.step()
        self.react()
        self.assertEqual((True, 0), (self.successResultOf(result), self.glib.waiting()))

    def test_order(self) -> None:
        """Work is done in the order of arrival."""
        done: list[int] = []
        self.thread.start()
        for number in range(5):
            self.thread.call(lambda number=number: done.append(number))  # type: ignore[misc]
        self.glib.run()
        self.assertEqual([0, 1, 2, 3, 4], done)

    def offer(self, place: str, number: int) -> Deferred[int]:
        """Offer work that returns a number."""
        return self.thread.offer(place, lambda: self.did(number))

    def defer(self, place: str, number: int) -> Deferred[int]:
        """Defer work that returns a number."""
        return self.thread.defer(place, lambda: self.did(number))

    def did(self, number: int) -> int:
        """Return the work that is done."""
        self.done.append(number)
        return number

    def test_offer(self) -> None:
        """Offered work is done like all other."""
        self.thread.start()
        results = [self.offer(place, number) for number, place in enumerate("ab")]
        self.glib.run()
        self.react()
        self.assertEqual([0, 1], [self.successResultOf(result) for result in results])

    def test_resultsInTurns(self) -> None:
        """
        Of many results, only some come in one turn of the reactor, in order, and none is lost.
        """
        self.thread.start()
        came: list[int] = []
        for number in range(2 * RESULTS_PER_TURN + 1):
            self.offer(str(number), number).addCallback(came.append)
        self.glib.run()
        for count in (1, 2):
            self.fromThread.popleft()()
            self.assertEqual(list(range(count * RESULTS_PER_TURN)), came)
        self.react()
        self.assertEqual(self.done, came)
        self.offer("later", -1).addCallback(came.append)
        self.glib.run()
        self.react()
        self.assertEqual(-1, came[-1])

    def test_replaced(self) -> None:
        """Work that is offered for a taken place has its turn; the older work is not done."""
        self.thread.start()
        older, other, newer = self.offer("a", 1), self.offer("b", 2), self.offer("a", 3)
        self.failureResultOf(older, CancelledError)
        self.glib.run()
        self.react()
        self.assertEqual([3, 2], self.done)
        self.assertEqual([2, 3], [self.successResultOf(result) for result in (other, newer)])
        self.assertEqual(0, self.glib.waiting())

    def test_cancelled(self) -> None:
        """Cancelled work is not done, and its place can be taken."""
        self.thread.start()
        gone, taken, other = self.offer("a", 1), self.offer("b", 2), self.offer("c", 3)
        for result in (gone, taken):
            result.cancel()
            self.failureResultOf(result, CancelledError)
        self.offer("b", 4)
        self.glib.run()
        self.react()
        self.assertEqual([4, 3], self.done)
        self.assertEqual(3, self.successResultOf(other))

    def test_cancelledTooLate(self) -> None:
        """Work that has begun is done although it is cancelled, and its error is ignored."""
        self.thread.start()
        begun = self.thread.offer("a", lambda: 1 // 0)
        self.glib.step()
        begun.cancel()
        self.failureResultOf(begun, CancelledError)
        self.react()
        newer = self.offer("a", 2)
        self.glib.step()
        self.react()
        self.assertEqual(2, self.successResultOf(newer))

    def test_full(self) -> None:
        """If too much waits, an offer is refused at once, until there is room."""
        self.patch(thread, "MAX_WAITING", 2)
        self.thread.start()
        older = self.offer("a", 1)
        self.offer("b", 2)
        refused = self.failureResultOf(self.offer("c", 3), FirewallError)
        self.assertEqual(
            "2000 calls, the maximum, already wait for firewalld: "
            "find out why it is slow (systemctl status firewalld)",
            str(refused.value),
        )
        self.offer("a", 4)
        self.failureResultOf(older, CancelledError)
        self.glib.step()
        self.offer("c", 5)
        self.glib.run()
        self.assertEqual([4, 2, 5], self.done)

    def test_callsAreTaken(self) -> None:
        """Other work is accepted however much waits."""
        self.patch(thread, "MAX_WAITING", 2)
        self.thread.start()
        for number in range(5):
            self.thread.call(lambda number=number: self.did(number))  # type: ignore[misc]
        self.failureResultOf(self.offer("a", 6), FirewallError)
        self.glib.run()
        self.assertEqual([0, 1, 2, 3, 4], self.done)

    def test_deferred(self) -> None:
        """Deferred work is done after all other, in order."""
        self.thread.start()
        results = [self.defer(place, number) for number, place in enumerate("ab")]
        self.offer("c", 2)
        self.thread.call(partial(self.did, 3))
        self.glib.run()
        self.react()
        self.assertEqual([2, 3, 0, 1], self.done)
        self.assertEqual([0, 1], [self.successResultOf(result) for result in results])

    def test_hurried(self) -> None:
        """Deferred work can be made to come before what is submitted later."""
        self.thread.start()
        for number, place in enumerate("ab"):
            self.defer(place, number)
        self.thread.hurry("b")
        self.thread.hurry("unknown")
        self.offer("c", 2)
        self.glib.run()
        self.assertEqual([1, 2, 0], self.done)
        self.thread.hurry("b")
        self.assertEqual(0, self.glib.waiting())

    def test_serveOffers(self) -> None:
        """Long work can do the offers that wait, but nothing else, and nothing behind that."""
        self.thread.start()

        def work() -> None:
            self.did(0)
            self.thread.serveOffers()
            self.did(1)

        self.thread.call(work)
        gone, offer = self.offer("a", 2), self.offer("b", 3)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.thread.call(partial(self.did, 4))
        behind = self.offer("c", 5)
        self.glib.step()
        self.react()
        self.assertEqual([0, 3, 1], self.done)
        self.assertEqual(3, self.successResultOf(offer))
        self.assertNoResult(behind)
        self.glib.run()
        self.react()
        self.assertEqual([0, 3, 1, 4, 5], self.done)
        self.assertEqual(5, self.successResultOf(behind))

    def test_stopAfterDeferred(self) -> None:
        """Stopping waits for deferred work, too."""
        self.thread.start()
        self.thread.defer("a", lambda: self.did(1))
        self.thread.stop()
        self.glib.run()
        self.assertEqual(([1], True), (self.done, self.glib.isQuit))

    def test_stop(self) -> None:
        """Stopping ends the loop after the work that was there before."""
        done: list[int] = []
        self.thread.start()
        self.thread.call(lambda: done.append(1))
        self.thread.stop()
        self.assertFalse(self.glib.isQuit)
        self.threads[0].target()
        self.assertEqual(([1], True), (done, self.glib.isQuit))

    def test_stopWithoutStart(self) -> None:
        """Stopping a thread that was never started does nothing."""
        self.thread.stop()
        self.assertEqual(0, self.glib.waiting())
