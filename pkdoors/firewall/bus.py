"""
A thread for D-Bus: it blocks, and libdbus does not like to be shared, so one thread owns all of it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

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
            self._submit(self._loop.quit)

    def callBlocking(self, work: Callable[[], T], timeout: float) -> T:
        """
        Do work in the thread and wait for it. For the time before the reactor runs.

        @raise TimeoutError: it took longer than C{timeout} seconds.
        """
        return self._submit(work).result(timeout)

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        """Do work in the thread; the result, or what it raised, comes in the reactor's."""
        result: Deferred[T] = Deferred()

        def done(future: Future[T]) -> None:
            error = future.exception()
            outcome = succeed(future.result()) if error is None else fail(error)
            self._callFromThread(outcome.chainDeferred, result)

        self._submit(work).add_done_callback(done)
        return result

    def tell(self, hear: Callable[[str], None], what: str) -> None:
        """Out of the thread: call something in the reactor's."""
        self._callFromThread(hear, what)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def run() -> bool:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            return False  # not again

        self._idleAdd(run)
        return future
