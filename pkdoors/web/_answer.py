"""A channel that sends one answer, and ends."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(ITransport)
class Answer:
    """
    The transport of such a channel. Whatever its protocol writes goes nowhere.

    @param protocol: gets the answer, and then the end.
    """

    def __init__(self, protocol: IProtocol) -> None:
        self._protocol: IProtocol | None = protocol
        protocol.makeConnection(self)

    def send(self, answer: Deferred[Any]) -> None:
        """Send an answer when it is there; if it fails, its error is the end's reason."""
        answer.addCallbacks(self._send, self._end)

    def _send(self, answer: bytes | bytearray) -> None:
        if self._protocol is not None:
            self._protocol.dataReceived(bytes(answer))
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
        """See L{twisted.internet.interfaces.IPushProducer}. An answer is sent as a whole."""

    def resumeProducing(self) -> None:
        """See L{twisted.internet.interfaces.IPushProducer}."""

    def getPeer(self) -> Any:
        """See L{ITransport}."""
        return None

    def getHost(self) -> Any:
        """See L{ITransport}."""
        return None
