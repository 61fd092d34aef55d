"""Callers that wait until something has happened to an opening."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred

from pkdoors.model.sources import Source

Key = tuple[str, Source]
"""An opening: the name of its door, and the address or network that it is for."""


class Waiters:
    """
    Functions to call once, by the opening that they wait for.
    """

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Callable[[Key], None]]] = {}

    def add(self, key: Key, call: Callable[[Key], None]) -> None:
        """Call a function when it happens to an opening."""
        self._waiting.setdefault(key, []).append(call)

    def remove(self, key: Key, call: Callable[[Key], None]) -> None:
        """Do not call a function any more."""
        calls = self._waiting.get(key, [])
        if call in calls:
            calls.remove(call)
        if not calls:
            self._waiting.pop(key, None)

    def notify(self, key: Key) -> None:
        """Call the functions that wait for an opening."""
        for call in self._waiting.pop(key, ()):
            call(key)

    def next(self, key: Key) -> Deferred[None]:
        """Return a Deferred that fires when it happens, and can be cancelled before."""

        def call(_: Key) -> None:
            fires.callback(None)

        fires: Deferred[None] = Deferred(lambda _: self.remove(key, call))
        self.add(key, call)
        return fires


class Closing:
    """
    Openings that are being closed.

    @ivar count: how many of them the guard was asked to close so far, in their order.
    @ivar left: those of these that are not closed yet.
    @ivar asked: fires when the guard was asked to close all, and can be cancelled before.
    @ivar done: fires when none is left, and can be cancelled before; who cancels it calls
        L{forget}.
    """

    def __init__(self, waiters: Waiters) -> None:
        self.count = 0
        self.left: set[Key] = set()
        self._waiters = waiters
        self._isComplete = False
        self.asked: Deferred[None] = Deferred()
        self.done: Deferred[None] = Deferred()

    def add(self, keys: Iterable[Key]) -> None:
        """Wait for some more."""
        for key in keys:
            self.count += 1
            self.left.add(key)
            self._waiters.add(key, self._onClosed)

    def complete(self) -> None:
        """Wait for no more than those so far."""
        self._isComplete = True
        if not self.asked.called:
            self.asked.callback(None)
        self._check()

    def forget(self, key: Key) -> None:
        """Wait for an opening no longer, although it is left. To do it for 65,000 takes 25 ms."""
        self._waiters.remove(key, self._onClosed)

    def _onClosed(self, key: Key) -> None:
        self.left.discard(key)
        self._check()

    def _check(self) -> None:
        if self._isComplete and not self.left and not self.done.called:
            self.done.callback(None)
