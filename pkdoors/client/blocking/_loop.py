"""A loop that waits for sockets and times, and turns in it."""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pkdoors.client.core.visit import FOREVER
from pkdoors.errors import KnockError

NAP = 0.2
"""The longest time in seconds that a user waits after Ctrl-C on Windows."""


class Loop:
    """
    Waits for sockets and for times.

    @param clock: seconds, which only go forward.
    @ivar turns: the order in which several coroutines ask the agent.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.turns = Turns(self)
        self._selector = selectors.DefaultSelector()
        self._times: dict[Any, tuple[float, Callable[[], None]]] = {}

    def watch(self, what: socket.socket, event: int, call: Callable[[], None]) -> None:
        """Call something each time a socket is ready, in place of what was called before."""
        try:
            self._selector.modify(what, event, call)
        except KeyError:
            self._selector.register(what, event, call)

    def forget(self, what: socket.socket) -> None:
        """Watch a socket no more, if it was watched."""
        with suppress(KeyError):
            self._selector.unregister(what)

    def callAt(self, owner: object, when: float, call: Callable[[], None]) -> None:
        """Call something at a time, in place of the owner's call before; never for infinity."""
        self._times[owner] = when, call

    def cancel(self, owner: object) -> None:
        """Cancel the call of an owner."""
        self._times.pop(owner, None)

    def turn(self) -> None:
        """Wait until something is ready, and call what wants to know."""
        soon = min((when for when, _ in self._times.values()), default=FOREVER)
        left = None if soon == FOREVER else max(0.0, soon - self.clock())
        for key, _ in self._select(left):
            # Unless another call changed that, or closed the socket, which then has no number.
            if self._selector.get_map().get(key.fd) is key:
                key.data()
        for owner, (when, call) in list(self._times.items()):
            if when <= self.clock() and self._times.get(owner) == (when, call):
                del self._times[owner]
                call()

    def _select(self, seconds: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """
        Return what is ready; wait for it at most for some seconds.

        @raise KnockError: the system cannot watch so many sockets.
        """
        if isinstance(self._selector, selectors.SelectSelector):  # Windows has nothing better
            # Ctrl-C does not wake it up there.
            seconds = NAP if seconds is None else min(seconds, NAP)
            if not self._selector.get_map():  # it refuses to wait for nothing
                time.sleep(seconds)
                return []
        try:
            return self._selector.select(seconds)
        except ValueError as error:  # Windows watches 512 sockets at most
            raise KnockError(
                "this system cannot watch so many connections at once: knock on fewer hosts"
            ) from error

    def close(self) -> None:
        """Release what the loop holds."""
        self._selector.close()


class Turns:
    """Lets one at a time ask the agent, in the order in which they came."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[object, Callable[[], None]]] = deque()

    def take(self, owner: object, call: Callable[[], None]) -> None:
        """Call something when it is the owner's turn; it is now, if nobody else has it."""
        self._waiting.append((owner, call))
        if len(self._waiting) == 1:
            call()

    def leave(self, owner: object) -> None:
        """Give the turn to the next one, or wait for it no more."""
        hadTurn = bool(self._waiting) and self._waiting[0][0] is owner
        self._waiting = deque(each for each in self._waiting if each[0] is not owner)
        if hadTurn and self._waiting:
            successor, call = self._waiting[0]
            self._loop.callAt(successor, self._loop.clock(), call)
