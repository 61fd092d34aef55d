"""Waits for the user to press Enter."""

from collections.abc import Callable
from threading import Thread
from typing import IO, Any


def onEnter(reactor: Any, stream: IO[str], call: Callable[[], object]) -> None:
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

    Thread(target=read, name="pkdoors-enter", daemon=True).start()
