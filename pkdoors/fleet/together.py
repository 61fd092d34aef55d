"""Runs coroutines side by side."""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")

AT_A_TIME = 100
"""Questions to the engine that wait for their answers."""


async def gather(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of them return. If one fails, raise its error."""
    found: list[T] = []
    rest = list(works)
    while rest:
        part, rest = rest[:AT_A_TIME], rest[AT_A_TIME:]
        try:
            found += await gatherResults(map(Deferred.fromCoroutine, part), consumeErrors=True)
        except FirstError as error:
            for work in rest:
                work.close()
            raise _reasonOf(error) from None
    return found


async def runTogether(*works: Coroutine[Any, Any, object]) -> None:
    """
    Run coroutines side by side. If one fails, cancel the others, and raise its error.
    """
    running = [Deferred.fromCoroutine(work) for work in works]
    try:
        await gatherResults(running, consumeErrors=True)
    except FirstError as error:
        raise _reasonOf(error) from None
    finally:
        for each in running:
            each.cancel()


def _reasonOf(error: FirstError) -> BaseException:
    reason = error.subFailure.value
    assert reason is not None
    return reason
