"""Threads that do nothing until a test lets them."""

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, execute

T = TypeVar("T")


class HeldThread:
    """A thread that does its work when it is told to."""

    def __init__(self) -> None:
        self._works: list[Callable[[], object]] = []

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """See L{pkdoors.util.turns.Beside}."""
        done: Deferred[T] = Deferred()
        self._works.append(lambda: execute(work).chainDeferred(done))
        return done

    def __len__(self) -> int:
        return len(self._works)

    def work(self) -> None:
        """Do what was asked for first."""
        self._works.pop(0)()
