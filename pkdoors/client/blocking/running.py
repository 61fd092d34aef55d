"""Runs a coroutine that signs, outside of any visit."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.blocking._work import Work, workAtOnce
from pkdoors.client.core.methods import Tools

T = TypeVar("T")


def runWith(make: Callable[[Tools], Coroutine[Any, Any, T]], say: Callable[[str], None]) -> T:
    """
    Run a coroutine that awaits nothing but what it is lent, and return its result.

    @param say: called with lines for the user about the progress.
    @raise KnockError: it failed.
    """
    loop = Loop()
    results: list[Any] = []
    work = Work(loop, make(Tools(Asking, workAtOnce, StunExchange, say)), results.append)
    try:
        work.start()
        while not results:
            loop.turn()
    finally:
        work.stop()
        loop.close()
    (result,) = results
    if isinstance(result, Exception):
        raise result
    found: T = result
    return found
