"""Waits for the user to press Enter."""

from collections.abc import Callable
from threading import Thread
from typing import IO, Any


def runInThread(work: Callable[[], None]) -> None:
    """Work beside the reactor, in a thread that does not keep the process alive."""
    Thread(target=work, name="pkdoors-enter", daemon=True).start()


def onEnter(
    reactor: Any,
    stream: IO[str],
    call: Callable[[], object],
    runInThread: Callable[[Callable[[], None]], None] = runInThread,
) -> None:
    """
    Call something in the reactor each time that a line arrives, until the stream ends. Reading
    happens in a thread, as Windows knows no other way.
    """

    def read() -> None:
        try:
            while stream.readline():
                reactor.callFromThread(call)
        except (OSError, ValueError):  # in the background, a terminal has nothing for us
            pass

    runInThread(read)
