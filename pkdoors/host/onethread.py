"""A thread of one's own, for work that must not wait for anything else."""

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute

from pkdoors.host.descriptors import areScarce

T = TypeVar("T")


class OneThread:
    """
    Does work in a thread, which exists from the first work until L{stop}; after that, at once. The
    threads that Twisted shares out may all be busy.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool: Any = None
        self._trigger: Any = None
        self._isStopped = False

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """See L{pkdoors.util.turns.Beside}."""
        # libnftables ends the process if it gets no descriptor. One that is released for it must
        # not go to the reactor's thread.
        if self._isStopped or areScarce():
            return execute(work)
        from twisted.internet.threads import deferToThreadPool  # most daemons never need it

        if self._pool is None:
            self._start()
        return deferToThreadPool(self._reactor, self._pool, work)

    def _start(self) -> None:
        from twisted.python.threadpool import ThreadPool

        self._pool = ThreadPool(0, 1, "pkdoors")
        self._pool.start()
        # Python waits for threads before it ends.
        self._trigger = self._reactor.addSystemEventTrigger("during", "shutdown", self._end)

    def _end(self) -> None:
        self._isStopped = True
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()

    def stop(self) -> None:
        """End the thread, after what it does now."""
        if self._pool is not None:
            self._reactor.removeSystemEventTrigger(self._trigger)
        self._end()
