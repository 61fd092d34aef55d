"""Coroutines in a loop, which ask the SSH agent and a STUN server."""

import selectors
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.core.agentwire import AgentError, AgentSilent
from pkdoors.errors import KnockError

T = TypeVar("T")


async def workAtOnce(call: Callable[[], T]) -> T:
    """Do what may wait for a disk: a command has nothing else to do."""
    return call()


class Work:
    """
    A coroutine that awaits nothing but answers of the agent and of a STUN server.

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

    def start(self) -> None:
        """Run the coroutine until it has to wait."""
        self._goOn(partial(self._work.send, None))

    def stop(self) -> None:
        """Give it up."""
        self._hangUp()
        if self._exchange:
            self._exchange.stop()
        self._work.close()

    def _goOn(self, step: Callable[[], Asking | StunExchange]) -> None:
        """Run the coroutine until it asks somebody something, or ends."""
        while True:
            try:
                asking = step()
            except StopIteration as end:
                return self._done(end.value)
            except (KnockError, OSError) as error:
                return self._done(error)
            if isinstance(asking, StunExchange):
                self._exchange = asking
                return asking.begin(self._loop, self._goOnWith)
            try:
                self._connection = asking.open()
            except AgentError as error:
                step = partial(self._work.throw, error)
                continue
            return self._carryOn(asking)

    def _goOnWith(self, result: str | Exception) -> None:
        self._exchange = None
        isError = isinstance(result, Exception)
        self._goOn(partial(self._work.throw if isError else self._work.send, result))

    def _carryOn(self, asking: Asking) -> None:
        connection = self._connection
        assert connection is not None
        limit = self._loop.clock() + asking.seconds
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
