"""
A thread for D-Bus: it blocks, and libdbus does not like to be shared, so one thread owns all of it.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from pkdoors.errors import FirewallError

MAX_WAITING = 2_000
"""What may wait for firewalld before more openings are refused: some 20 s of its work. What is
refused is tried again later, so that a firewalld that hangs takes neither memory nor, when it goes
on, a minute until it hears of what is wanted by then."""

RESULTS_PER_TURN = 25
"""Results that come in one turn of the reactor: where one call is not answered, all that wait fail
at once, and the reactor has other things to do."""

FULL = (
    f"{MAX_WAITING} calls wait for firewalld already, which is the most: "
    "see why it is slow (systemctl status firewalld)"
)

T = TypeVar("T")


class BusThread:
    """
    Runs a GLib main loop in a thread of its own, and work on it, in order.

    @param callFromThread: the reactor's; the results come back through it.
    """

    def __init__(self, callFromThread: Callable[..., Any]) -> None:
        self._callFromThread = callFromThread
        self._loop: Any = None
        self._thread: Thread | None = None
        self._lock = Lock()  # of what follows, which both threads change
        self._waiting: OrderedDict[Hashable, tuple[Future[Any], Callable[[], Any]]] = OrderedDict()
        self._results: deque[Callable[[], object]] = deque()
        self._isDelivering = False

    def start(self) -> None:
        """
        Start the thread.

        @raise ImportError: C{python3-gi} is missing.
        """
        from gi.repository import GLib

        self._idleAdd = GLib.idle_add
        self._loop = GLib.MainLoop()
        # A daemon: it may sit in a call that takes long when the process wants to end.
        self._thread = Thread(target=self._loop.run, name="pkdoors-bus", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the work that it has."""
        if self._thread is not None:
            self._submit(object(), self._loop.quit)

    def callBlocking(self, work: Callable[[], T], timeout: float) -> T:
        """
        Do work in the thread and wait for it. For the time before the reactor runs.

        @raise TimeoutError: it took longer than C{timeout} seconds.
        """
        return self._submit(object(), work).result(timeout)

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work in the thread; the result, or what it raised, comes in the reactor's. However much
        waits, it is taken; and it is done though nobody waits for it any more.
        """
        result: Deferred[T] = Deferred()
        self._answer(self._submit(object(), work), result)
        return result

    def offer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """
        The same for work that can be tried again, and is not worth doing when something newer is
        wanted in its place.

        @param place: whose it is. Until its turn comes it can be replaced by other work, which
            has its turn then.
        @return: fails at once with L{FirewallError} where too much waits. Who cancels it leaves
            the place empty; what has begun is done all the same.
        """
        with self._lock:
            if place not in self._waiting and len(self._waiting) >= MAX_WAITING:
                return fail(FirewallError(FULL))
        future = self._submit(place, work)
        result: Deferred[T] = Deferred(lambda _: (future.cancel(), None)[1])
        self._answer(future, result)
        return result

    def tell(self, hear: Callable[[str], None], what: str) -> None:
        """Out of the thread: call something in the reactor's."""
        self._callFromThread(hear, what)

    def _answer(self, future: Future[T], result: Deferred[T]) -> None:
        def deliver(outcome: Deferred[T]) -> None:
            if result.called:  # who waited wants it no more
                outcome.addErrback(lambda failure: None)
            else:
                outcome.chainDeferred(result)

        def done(future: Future[T]) -> None:
            if future.cancelled():  # in the reactor's thread
                if not result.called:
                    result.errback(CancelledError())
                return
            error = future.exception()
            outcome = succeed(future.result()) if error is None else fail(error)
            self._deliver(lambda: deliver(outcome))

        future.add_done_callback(done)

    def _deliver(self, result: Callable[[], object]) -> None:
        """In the thread: have a result come in the reactor's."""
        with self._lock:
            self._results.append(result)
            wasDelivering, self._isDelivering = self._isDelivering, True
        if not wasDelivering:
            self._callFromThread(self._deliverSome)

    def _deliverSome(self) -> None:
        for _ in range(RESULTS_PER_TURN):
            with self._lock:
                self._isDelivering = bool(self._results)
                if not self._results:
                    return
                result = self._results.popleft()
            result()
        self._callFromThread(self._deliverSome)

    def _submit(self, place: Hashable, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            before = self._waiting.get(place)
            self._waiting[place] = future, work
        if before is None:
            self._idleAdd(self._next)
        else:
            before[0].cancel()
        return future

    def _next(self) -> bool:
        """In the thread: what is the first in its order. There is one call for each place."""
        with self._lock:
            _, (future, work) = self._waiting.popitem(last=False)
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        return False  # not again
