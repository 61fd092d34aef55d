"""Does in a thread what would hold up a reactor."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.internet.threads import deferToThreadPool

from pkdoors.client.core.methods import T, Work

_TERMINAL = DeferredLock()
"""What can be stopped may ask the user something: two questions at once would mix."""


def workWith(reactor: Any) -> Work:
    """Return what works in another thread."""

    def work(call: Callable[[], T], stop: Callable[[], None] | None = None) -> Awaitable[T]:
        if stop is None:
            return deferToThreadPool(reactor, reactor.getThreadPool(), call)
        return _workAlone(reactor, call, stop)

    return work


async def _workAlone(reactor: Any, call: Callable[[], T], stop: Callable[[], None]) -> T:
    """
    Call something that can be stopped: if nobody wants its result any more, or the reactor ends,
    which would wait for the thread.
    """
    ending: list[None] = []

    def end() -> None:
        ending.append(None)
        stop()

    await _TERMINAL.acquire()
    trigger = reactor.addSystemEventTrigger("before", "shutdown", end)
    try:
        return await deferToThreadPool(reactor, reactor.getThreadPool(), call)
    finally:
        stop()
        if not ending:
            reactor.removeSystemEventTrigger(trigger)
        _TERMINAL.release()
