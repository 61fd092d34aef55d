"""One request to the SSH agent, with Twisted."""

import socket
from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectionTimeout
from twisted.internet.interfaces import IReactorUNIX
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from pkdoors.client.core.agent import LIST_TIMEOUT, Ask
from pkdoors.client.core.agentwire import (
    NO_SOCKETS,
    AgentAway,
    AgentError,
    AgentSilent,
    AnswerReader,
    frame,
)

BUSY = 0.1
"""Seconds until the next try to connect to an agent that has too many clients at the moment."""


class AgentClient(Protocol):
    """One request to an agent and its answer."""

    def __init__(self) -> None:
        self._answer: Deferred[bytes] | None = None
        self._reader = AnswerReader()

    def ask(self, question: bytes) -> Deferred[bytes]:
        """
        Send a request.

        @return: fires with the answer, or fails with L{AgentError}.
        """
        self._answer = Deferred()
        assert self.transport is not None
        self.transport.write(frame(question))
        return self._answer

    def dataReceived(self, data: bytes) -> None:
        """Add to the answer."""
        if self._answer is None:  # nothing has been asked yet, or the answer is complete
            return
        try:
            answer = self._reader.feed(data)
        except AgentError as error:
            self._end(error)
        else:
            if answer is not None:
                self._end(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The agent hung up, or the client did."""
        self._end(AgentError("it hung up"))

    def _end(self, result: bytes | AgentError) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if isinstance(result, AgentError):
            answer.errback(result)
        else:
            answer.callback(result)


def askWith(reactor: Any) -> Ask:
    """Return what asks an agent."""

    def ask(path: str, question: bytes, seconds: float) -> Awaitable[bytes]:
        return _ask(reactor, path, question, seconds)

    return ask


async def _connect(reactor: Any, path: str) -> Any:
    """
    Return a connection to an agent, an L{AgentClient}. If the agent accepts no more at the moment,
    try again for a while.

    @raise AgentAway: no agent listens there.
    @raise AgentSilent: it did not accept the connection in time.
    """
    endpoint = UNIXClientEndpoint(reactor, path, timeout=LIST_TIMEOUT)
    limit = reactor.seconds() + LIST_TIMEOUT
    while True:
        try:
            _checkPath(path)
            return await endpoint.connect(Factory.forProtocol(AgentClient))
        except ConnectionTimeout as error:
            raise AgentSilent from error
        except (ConnectError, OSError, ValueError) as error:
            # Twisted takes a full queue for a connection that was closed, and gives no number.
            if type(error) is not ConnectError or error.osError is not None:
                raise AgentAway from error
            if reactor.seconds() >= limit:
                raise AgentSilent from error
        await deferLater(reactor, BUSY)


def _checkPath(path: str) -> None:
    """
    Check that a socket can have a path. Otherwise Twisted neither connects nor fails.

    @raise OSError: it cannot, because the path is too long, for example.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect_ex(path)  # an agent does not notice: its socket is of another type


async def _ask(reactor: Any, path: str, question: bytes, seconds: float) -> bytes:
    if not hasattr(socket, "AF_UNIX"):
        raise AgentError(NO_SOCKETS)
    if not IReactorUNIX.providedBy(reactor):
        raise AgentError("this reactor cannot connect to an agent: use the file of a key")
    client = await _connect(reactor, path)
    try:
        answer: bytes = await client.ask(question).addTimeout(seconds, reactor)
        return answer
    except DeferredTimeout as error:
        raise AgentSilent from error
    finally:
        client.transport.loseConnection()
