"""Tests of L{pkdoors.client.reactor._work}, with threads."""

from collections.abc import Callable
from threading import Event, current_thread, main_thread
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from pkdoors.client.reactor._work import workWith


def ignore() -> None:
    """Stop nothing."""


class WorkTests(TestCase):
    """
    Tests of L{workWith}.
    """

    timeout = 30

    def setUp(self) -> None:
        """Make the tool."""
        self.work = workWith(reactor)

    async def test_inThread(self) -> None:
        """A call is made in another thread, and its result or error comes back."""
        thread = await self.work(current_thread)
        self.assertIsNot(main_thread(), thread)
        self.assertIsNot(main_thread(), await self.work(current_thread, ignore))
        for stop in (None, ignore):
            failing: Deferred[int] = Deferred.fromCoroutine(self.fail_(stop))
            self.assertFailure(failing, ZeroDivisionError)
            await failing

    async def fail_(self, stop: Callable[[], None] | None) -> int:
        """Do what fails."""
        return await self.work(lambda: 1 // 0, stop)

    def begin(self, call: Callable[[], Any], stop: Callable[[], None]) -> Deferred[Any]:
        """Begin a call that can be stopped."""

        async def wait() -> Any:
            return await self.work(call, stop)

        return Deferred.fromCoroutine(wait())

    async def test_stopped(self) -> None:
        """A call whose result nobody wants is stopped, and the next one begins."""
        started, stopped, ended = Event(), Event(), Event()

        def wait() -> None:
            started.set()
            stopped.wait()
            ended.set()

        first = self.begin(wait, stopped.set)
        second = self.begin(current_thread, ignore)
        await self.work(started.wait)
        self.assertFalse(second.called, "two would ask at once")
        first.cancel()
        with self.assertRaises(CancelledError):
            await first
        await self.work(ended.wait)
        await second

    async def test_atEnd(self) -> None:
        """A reactor that ends stops it: it would wait for the thread."""
        stopped = Event()
        waiting = self.begin(stopped.wait, stopped.set)
        phases = reactor._eventTriggers["shutdown"].before  # type: ignore[attr-defined]
        self.assertIn("end", [call.__name__ for call, _, _ in phases])
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting
        self.assertNotIn("end", [call.__name__ for call, _, _ in phases])
