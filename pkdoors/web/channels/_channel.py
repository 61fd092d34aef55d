"""One channel of several over one connection: the transport of a protocol."""

from typing import Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.errors import AskError

WINDOW = 1 << 16
"""Bytes of a channel that may be under way to a reader, or wait for it."""
MAX_DATA = 1 << 14
"""Bytes of data in a frame, so that channels take turns."""
MAX_REASON = 1000
"""Bytes of the sentence at the end of a channel."""

LOST = "the connection to the host has ended: start `pkdoors web` again"


class Sender(Protocol):
    """Sends the frames of a channel."""

    def send(self, number: int, letter: bytes, data: bytes = b"") -> None:
        """Send a frame."""

    def forget(self, number: int) -> None:
        """Forget the channel."""


@implementer(ITransport, IConsumer, IPushProducer)
class Channel:
    """
    One end of a channel.

    @param frames: sends its frames.
    @param number: its number.
    """

    def __init__(self, frames: Sender, number: int) -> None:
        self._frames = frames
        self._number = number
        self._protocol: IProtocol | None = None
        self._producer: Any = None
        self._isSlowing = False  # whether the producer is paused
        self._reason = ""
        self._isPaused = True  # until there is a protocol
        self._isDelivering = False
        self._credit = WINDOW  # bytes that we may send
        self._unsent = bytearray()
        self._received = bytearray()  # what the protocol has not taken yet
        self._taken = 0  # bytes that it took, for which the other end has no credit yet
        self._end: str | None = None  # the other end's last words
        self._isClosing = self._isOver = False

    def connect(self, protocol: IProtocol) -> None:
        """Connect a protocol with it."""
        self._protocol = protocol
        self._isPaused = False
        protocol.makeConnection(self)
        self._deliver()

    # What the other end sends.

    def receive(self, data: bytes) -> bool:
        """Take in data; return whether the other end had the credit for it."""
        self._received += data
        isAllowed = len(self._received) + self._taken <= WINDOW
        if isAllowed:
            self._deliver()
        return isAllowed

    def addCredit(self, count: int) -> None:
        """Send more: the other end has taken in so much."""
        self._credit += count
        self._flush()

    def endReceived(self, reason: str) -> None:
        """Note that the other end has ended the channel."""
        self._end = reason
        self._deliver()

    def lose(self) -> None:
        """End, because the connection has ended."""
        self._finish(Failure(AskError(LOST)))

    def _deliver(self) -> None:
        if self._isDelivering:  # the protocol has resumed us while it was given data
            return
        self._isDelivering = True
        try:
            while self._received and not self._isPaused and self._protocol is not None:
                data = bytes(self._received)
                self._received.clear()
                self._taken += len(data)
                self._protocol.dataReceived(data)
        finally:
            self._isDelivering = False
        if self._isOver:
            return
        if self._taken >= WINDOW // 2:
            self._frames.send(self._number, b"c", b"%d" % self._taken)
            self._taken = 0
        if self._end is not None and not self._received and self._protocol is not None:
            error = AskError(self._end) if self._end else ConnectionDone()
            self._finish(Failure(error))

    # What we send.

    def write(self, data: bytes) -> None:
        """See L{ITransport}."""
        if not self._isClosing:
            self._unsent += data
            self._flush()

    def writeSequence(self, data: Any) -> None:
        """See L{ITransport}."""
        self.write(b"".join(data))

    def loseConnection(self, reason: str = "") -> None:
        """
        End the channel when all has been sent.

        @param reason: a sentence for the other end if something went wrong.
        """
        if not self._isClosing:
            self._isClosing = True
            self._reason = reason
            self._flush()

    def abortConnection(self) -> None:
        """End the channel at once."""
        self._unsent.clear()
        self._isClosing = False
        self.loseConnection()

    def _flush(self) -> None:
        while self._unsent and self._credit and not self._isOver:
            data = bytes(self._unsent[: min(self._credit, MAX_DATA)])
            del self._unsent[: len(data)]
            self._credit -= len(data)
            self._frames.send(self._number, b"d", data)
        if self._isOver:
            return
        if self._isClosing and not self._unsent:
            self._frames.send(self._number, b"e", self._reason.encode()[:MAX_REASON])
            self._finish(Failure(ConnectionDone()))
        elif self._producer is not None:
            self._steer()

    def _steer(self) -> None:
        """Pause the producer while something waits for credit."""
        if bool(self._unsent) == self._isSlowing:
            return
        self._isSlowing = not self._isSlowing
        if self._isSlowing:
            self._producer.pauseProducing()
        else:
            self._producer.resumeProducing()

    def _finish(self, reason: Failure) -> None:
        if self._isOver:
            return
        self._isOver = self._isClosing = True
        self._unsent.clear()
        self._received.clear()
        self._frames.forget(self._number)
        protocol, self._protocol, self._producer = self._protocol, None, None
        if protocol is not None:
            protocol.connectionLost(reason)

    # How fast.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See L{IConsumer}. Only a streaming producer can be one."""
        assert streaming
        self._producer = producer
        self._isSlowing = False
        self._steer()

    def unregisterProducer(self) -> None:
        """See L{IConsumer}."""
        self._producer = None

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = False
        self._deliver()

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self.abortConnection()

    def getPeer(self) -> Any:
        """See L{ITransport}."""
        return None

    def getHost(self) -> Any:
        """See L{ITransport}."""
        return None
