"""
A loop that waits for sockets and times, and coroutines in it that ask the SSH agent.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.core.agentwire import AgentError, AgentSilent
from pkdoors.client.core.visit import FOREVER
from pkdoors.errors import KnockError

BUSY = 0.01
"""Seconds until the next try to connect to an agent that has too many clients at the moment."""

T = TypeVar("T")


async def workAtOnce(call: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
    """Call what takes long: a command has nothing else to do, and Ctrl-C ends it."""
    return call()


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
            if self._selector.get_map().get(key.fileobj) is key:  # unless another call changed it
                key.data()
        for owner, (when, call) in list(self._times.items()):
            if when <= self.clock() and self._times.get(owner) == (when, call):
                del self._times[owner]
                call()

    def _select(self, seconds: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; wait for it at most for some seconds."""
        if isinstance(self._selector, selectors.SelectSelector):  # Windows has nothing better
            # Ctrl-C does not wake it up there.
            seconds = NAP if seconds is None else min(seconds, NAP)
            if not self._selector.get_map():  # it refuses to wait for nothing
                time.sleep(seconds)
                return []
        return self._selector.select(seconds)

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


class Turn:
    """Whoever awaits this goes on when nobody else asks the agent, and is the only one then."""

    def __await__(self) -> Generator["Turn", None, None]:
        yield self


class Work:
    """
    A coroutine that awaits nothing but answers of the agent, and its turn to ask. It keeps the turn
    to its end: a knock has the time in it, and would get old while it waits.

    @param done: called with the result, or with the error.
    """

    def __init__(
        self, loop: Loop, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._done = done
        self._connection: socket.socket | None = None
        self._hasTurn = False

    def start(self) -> None:
        """Run the coroutine until it has to wait."""
        self._goOn(partial(self._work.send, None))

    def stop(self) -> None:
        """Give it up."""
        self._hangUp()
        self._work.close()
        self._loop.turns.leave(self)

    def _goOn(self, step: Callable[[], Asking | Turn]) -> None:
        """Run the coroutine until it has to wait, or ends."""
        try:
            wanted = step()
        except StopIteration as end:
            self._end(end.value)
        except (KnockError, OSError) as error:
            self._end(error)
        else:
            serve = partial(self._serve, wanted)
            if self._hasTurn:
                serve()
            else:
                self._hasTurn = True  # when this is called
                self._loop.turns.take(self, serve)

    def _end(self, result: Any) -> None:
        self._loop.turns.leave(self)
        self._done(result)

    def _serve(self, wanted: Asking | Turn) -> None:
        if isinstance(wanted, Turn):
            self._goOn(partial(self._work.send, None))
        else:
            self._open(wanted, self._loop.clock() + wanted.seconds)

    def _open(self, asking: Asking, limit: float) -> None:
        try:
            self._connection = asking.open()
        except AgentError as error:
            return self._fail(error)
        now = self._loop.clock()
        if self._connection:
            self._carryOn(asking, limit)
        elif now < limit:
            self._loop.callAt(self, now + BUSY, lambda: self._open(asking, limit))
        else:
            self._fail(AgentSilent())
        return None

    def _carryOn(self, asking: Asking, limit: float) -> None:
        connection = self._connection
        assert connection is not None
        self._loop.watch(connection, selectors.EVENT_WRITE, partial(self._send, asking))
        self._loop.callAt(self, limit, lambda: self._fail(AgentSilent()))

    def _send(self, asking: Asking) -> None:
        connection = self._connection
        assert connection is not None
        try:
            asking.send(connection)
        except AgentError as error:
            return self._fail(error)
        if asking.isSent:
            self._loop.watch(connection, selectors.EVENT_READ, partial(self._receive, asking))
        return None

    def _receive(self, asking: Asking) -> None:
        try:
            answer = asking.receive(self._connection)
        except AgentError as error:
            return self._fail(error)
        if answer is not None:
            self._hangUp()
            self._goOn(partial(self._work.send, answer))
        return None

    def _fail(self, error: AgentError) -> None:
        self._hangUp()
        self._goOn(partial(self._work.throw, error))

    def _hangUp(self) -> None:
        self._loop.cancel(self)
        if self._connection:
            self._loop.forget(self._connection)
            self._connection.close()
            self._connection = None
