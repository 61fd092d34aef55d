"""A channel that sends one answer, and ends."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

PIECE = 1 << 14
"""Bytes that are sent at once. Many channels share one answer in memory."""


@implementer(ITransport, IPushProducer)
class Answer:
    """
    The transport of such a channel. Whatever its protocol writes goes nowhere.

    @param protocol: gets the answer, and then the end.
    """

    def __init__(self, protocol: IProtocol) -> None:
        self._protocol: IProtocol | None = protocol
        self._unsent = memoryview(b"")
        self._isThere = self._isSending = self._isPaused = False
        protocol.makeConnection(self)

    def send(self, answer: Deferred[Any]) -> None:
        """Send an answer when it is there; if it fails, its error is the end's reason."""
        answer.addCallbacks(self._send, self._end)

    def _send(self, answer: bytes) -> None:
        self._unsent = memoryview(answer)
        self._isThere = True
        self._continue()

    def _continue(self) -> None:
        """Send pieces, unless we are paused, or already do it further up."""
        if not self._isThere or self._isSending:
            return
        self._isSending = True
        while self._unsent and not self._isPaused and self._protocol is not None:
            piece, self._unsent = self._unsent[:PIECE], self._unsent[PIECE:]
            self._protocol.dataReceived(bytes(piece))
        self._isSending = False
        if not self._unsent:
            self._end(Failure(ConnectionDone()))

    def _end(self, reason: Failure) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    def write(self, data: bytes) -> None:
        """See L{ITransport}."""

    def writeSequence(self, data: Any) -> None:
        """See L{ITransport}."""

    def loseConnection(self) -> None:
        """See L{ITransport}."""
        self._end(Failure(ConnectionDone()))

    def abortConnection(self) -> None:
        """See L{twisted.internet.interfaces.ITCPTransport}."""
        self._end(Failure(ConnectionAborted()))

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = False
        self._continue()

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self.loseConnection()

    def getPeer(self) -> Any:
        """See L{ITransport}."""
        return None

    def getHost(self) -> Any:
        """See L{ITransport}."""
        return None
