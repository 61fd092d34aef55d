"""
A thread for D-Bus. D-Bus calls block, and libdbus must not be shared, so one thread makes them all.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from pkdoors.errors import FirewallError

MAX_WAITING = 2_000
"""Calls that may wait for firewalld before more openings are refused: some 20 s of its work. The
daemon tries refused openings again later. So a firewalld that hangs costs no memory, and when it
goes on, it does not first spend a minute on outdated calls."""

RESULTS_PER_TURN = 25
"""Results that are delivered in one turn of the reactor: if one call is not answered, all that wait
fail at once, and the reactor has other things to do."""

FULL = (
    f"{MAX_WAITING} calls, the maximum, already wait for firewalld: "
    "find out why it is slow (systemctl status firewalld)"
)

T = TypeVar("T")


class _Item(NamedTuple):
    """Work, where its result goes, and whether it was offered."""

    future: Future[Any]
    work: Callable[[], Any]
    isOffer: bool = False


class BusThread:
    """
    Runs a GLib main loop in a thread of its own, and does work in it, in order. Work that was
    deferred is done when nothing else waits.

    @param callFromThread: the reactor's method, which delivers the results.
    """

    def __init__(self, callFromThread: Callable[..., Any]) -> None:
        self._callFromThread = callFromThread
        self._loop: Any = None
        self._thread: Thread | None = None
        self._lock = Lock()  # for the attributes below, which both threads change
        self._waiting: OrderedDict[Hashable, _Item] = OrderedDict()
        self._deferred: OrderedDict[Hashable, _Item] = OrderedDict()
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
        # A daemon thread, because it may be in a long call when the process wants to end.
        self._thread = Thread(target=self._loop.run, name="pkdoors-bus", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the work that waits in it."""
        if self._thread is not None:
            self.hurryAll()
            self._submit(object(), self._loop.quit)

    def callBlocking(self, work: Callable[[], T], timeout: float) -> T:
        """
        Do work in the thread and wait for it. Only for use before the reactor runs.

        @raise TimeoutError: it took longer than C{timeout} seconds.
        """
        return self._submit(object(), work).result(timeout)

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work in the thread; the result or the error is delivered in the reactor's thread. The
        work is accepted however much waits, and it is done even if it is cancelled.
        """
        result: Deferred[T] = Deferred()
        self._answer(self._submit(object(), work), result)
        return result

    def offer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work that can be tried again later, and that newer work can replace.

        @param place: a place in the queue. Until its turn comes, other work for the same place
            replaces the work there, and is done in that turn.
        @return: fails at once with L{FirewallError} if too much waits. If it is cancelled, the work
            is not done, unless it has begun.
        """
        with self._lock:
            if place not in self._waiting and len(self._waiting) >= MAX_WAITING:
                return fail(FirewallError(FULL))
        future = self._submit(place, work, isOffer=True)
        result: Deferred[T] = Deferred(lambda _: (future.cancel(), None)[1])
        self._answer(future, result)
        return result

    def defer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """
        Do work that nobody waits for, after all other.

        @param place: its name for L{hurry}.
        """
        with self._lock:
            isTaken = place in self._deferred
        if isTaken:
            return self.call(work)
        future: Future[T] = Future()
        with self._lock:
            self._deferred[place] = _Item(future, work)
        self._idleAdd(self._next)
        result: Deferred[T] = Deferred()
        self._answer(future, result)
        return result

    def hurry(self, place: Hashable) -> None:
        """Do deferred work before what is submitted from now on, if it still waits."""
        with self._lock:
            item = self._deferred.pop(place, None)
            if item is not None:
                self._waiting[object()] = item

    def hurryAll(self) -> None:
        """Do all deferred work before what is submitted from now on."""
        with self._lock:
            self._waiting.update((object(), item) for item in self._deferred.values())
            self._deferred.clear()

    def serveOffers(self) -> None:
        """
        Do the offered work that waits, as far as nothing else waits before it; for use in this
        thread, by work that takes long.
        """
        while (item := self._takeOffer()) is not None:
            _do(item)

    def _takeOffer(self) -> _Item | None:
        with self._lock:
            place = next(iter(self._waiting), None)
            if place is None or not self._waiting[place].isOffer:
                return None
            return self._waiting.pop(place)

    def notify(self, listener: Callable[[str], None], text: str) -> None:
        """Call a listener in the reactor's thread; for use in this thread."""
        self._callFromThread(listener, text)

    def _answer(self, future: Future[T], result: Deferred[T]) -> None:
        def deliver(outcome: Deferred[T]) -> None:
            if result.called:  # it was cancelled
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
        """Have a result delivered in the reactor's thread; for use in this thread."""
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

    def _submit(self, place: Hashable, work: Callable[[], T], isOffer: bool = False) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            before = self._waiting.get(place)
            self._waiting[place] = _Item(future, work, isOffer)
        if before is None:
            self._idleAdd(self._next)
        else:
            before.future.cancel()
        return future

    def _next(self) -> bool:
        """
        Do the first work in the queue, in this thread. There is one call for each place; if another
        did the work already, there may be nothing left.
        """
        with self._lock:
            queue = self._waiting or self._deferred
            item = queue.popitem(last=False)[1] if queue else None
        if item is not None:
            _do(item)
        return False  # so GLib does not call this again


def _do(item: _Item) -> None:
    if item.future.set_running_or_notify_cancel():
        try:
            item.future.set_result(item.work())
        except BaseException as error:
            item.future.set_exception(error)
