"""Coroutines in a loop, which ask the SSH agent and a STUN server."""

import selectors
import socket
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.core.agentwire import AgentError, AgentSilent
from pkdoors.errors import KnockError

BUSY = 0.01
"""Seconds until the next try to connect to an agent that has too many clients at the moment."""

T = TypeVar("T")


async def workAtOnce(call: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
    """Call what takes long: a command has nothing else to do, and Ctrl-C ends it."""
    from signal import SIGINT, default_int_handler, getsignal, signal

    before = getsignal(SIGINT)
    if getattr(before, "__module__", "") != "pkdoors.cli":
        return call()
    signal(SIGINT, default_int_handler)  # it may have to make a terminal visible again
    try:
        return call()
    finally:
        signal(SIGINT, before)


class Turn:
    """Whoever awaits this goes on when nobody else asks the agent, and is the only one then."""

    def __await__(self) -> Generator["Turn", None, None]:
        yield self


class Work:
    """
    A coroutine that awaits nothing but answers of the agent and of a STUN server, and its turn to
    ask. It keeps the turn to its end: a knock has the time in it, and would get old while it waits.

    @param done: called with the result, or with the error.
    """

    def __init__(
        self, loop: Loop, work: Coroutine[Any, Any, Any], done: Callable[[Any], None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._done = done
        self._connection: socket.socket | None = None
        self._exchange: StunExchange | None = None
        self._hasTurn = False

    def start(self) -> None:
        """Run the coroutine until it has to wait."""
        self._goOn(partial(self._work.send, None))

    def stop(self) -> None:
        """Give it up."""
        self._hangUp()
        if self._exchange:
            self._exchange.stop()
        self._work.close()
        self._loop.turns.leave(self)

    def _goOn(self, step: Callable[[], Asking | StunExchange | Turn]) -> None:
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

    def _serve(self, wanted: Asking | StunExchange | Turn) -> None:
        if isinstance(wanted, Turn):
            self._goOn(partial(self._work.send, None))
        elif isinstance(wanted, StunExchange):
            self._exchange = wanted
            wanted.begin(self._loop, self._goOnWith)
        else:
            self._open(wanted, self._loop.clock() + wanted.seconds)

    def _goOnWith(self, result: str | Exception) -> None:
        self._exchange = None
        isError = isinstance(result, Exception)
        self._goOn(partial(self._work.throw if isError else self._work.send, result))

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
