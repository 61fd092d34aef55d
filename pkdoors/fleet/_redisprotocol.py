"""Redis's protocol, by txredisapi, for an engine that nobody trusts."""

from typing import Any

import txredisapi
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from pkdoors.errors import EngineError, EngineHungUp, EngineRefusal, EngineTooMuch
from pkdoors.util.durations import formatDuration
from pkdoors.util.oneline import oneLine

MAX_ANSWER = 5 << 20
"""Bytes of an answer. The longest that honest hosts cause is a certified seal and an order of each
of a thousand hosts."""
MAX_REFUSAL = 200
"""Characters of a refusal that are shown."""


class RedisProtocol(txredisapi.RedisProtocol):
    """
    A connection.

    @ivar lost: why it ended; empty until then.
    """

    def __init__(self) -> None:
        # Names and values are bytes: what looks like a number must stay as it is.
        super().__init__(charset=None, convertNumbers=False)
        self.lost = ""
        self._kind: type[EngineError] = EngineError
        self._received = 0

    def connectionMade(self) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        self.transport.setTcpNoDelay(True)
        super().connectionMade()

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        if self.lost:
            return
        self._received += 0 if unpause else len(data)
        if self._received > MAX_ANSWER:
            self.end(f"an answer has more than {MAX_ANSWER >> 20} MB", EngineTooMuch)
            return
        try:
            super().dataReceived(data, unpause)
        except Exception:  # whatever txredisapi cannot read
            self.end("it does not speak Redis's protocol")

    def replyReceived(self, reply: Any) -> None:
        """Hand on an answer."""
        self._received = 0
        if self.replyQueue.waiting:
            super().replyReceived(reply)
        else:
            self.end("it answers what nobody asked")

    def connectionLost(self, why: Failure) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        if not self.lost and why.check(ConnectionDone, ConnectionLost):
            self._kind = EngineHungUp
        self.lost = self.lost or explainLoss(why)
        super().connectionLost(why)

    def end(self, reason: str, kind: type[EngineError] = EngineError) -> None:
        """
        Hang up at once.

        @param reason: why, for an error of this kind.
        """
        if not self.lost:
            self.lost, self._kind = reason, kind
        if self.connected:  # TLS cannot end what has ended
            self.transport.abortConnection()

    async def ask(self, clock: IReactorTime, seconds: float, *command: object) -> Any:
        """
        Send a command, and return the answer.

        @param seconds: how long the answer may take; after that the connection is lost.
        @raise EngineRefusal: the answer is an error.
        @raise EngineError: there is no answer.
        """
        if self.lost or not self.connected:
            raise self._kind(self.lost or "the connection is lost")
        answer: Deferred[Any] = self.execute_command(*command)
        try:
            return await answer.addTimeout(seconds, clock, _fail)
        except txredisapi.ResponseError as error:
            text = str(error).strip().removeprefix("ERR ")
            raise EngineRefusal(oneLine(text, MAX_REFUSAL)) from None
        except txredisapi.RedisError:
            raise self._kind(self.lost) from None
        except _NoAnswer:
            self.end(f"no answer for {formatDuration(seconds)}")
            raise EngineError(self.lost) from None


class _NoAnswer(Exception):
    """No answer in time."""


def _fail(result: object, _: float) -> object:
    if isinstance(result, Failure) and result.check(CancelledError):
        raise _NoAnswer
    return result


def explainLoss(why: Failure) -> str:
    """Return a few words on why a connection ended."""
    if why.check(ConnectionDone, ConnectionLost):
        return "it closed the connection"
    name = type(why.value).__name__
    if name in ("VerificationError", "CertificateError", "SubjectAltNameWarning"):
        return "its certificate is for another name: `engine` must name it as its certificate does"
    text = str(why.value)
    if "certificate verify failed" in text:
        return "its certificate is not from the authority in `ca`, or is out of date"
    if name == "Error" and ("wrong version number" in text or "record layer" in text):
        return "it does not speak TLS at this port: use redis:// if that is meant, or its TLS port"
    return oneLine(text, MAX_REFUSAL) or name


class RedisFactory(Factory):
    """Makes protocols."""

    noisy = False
    protocol = RedisProtocol
    continueTrying = False
    """What txredisapi sets."""
