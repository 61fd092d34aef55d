"""Both ends of the frames, and a pipe between them in memory."""

import random
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.web.channels._channel import Channel
from pkdoors.web.channels._frames import Frames


class Collector(Protocol):
    """
    Notes what comes.

    @ivar read: all data.
    @ivar reason: why the connection ended; L{None} if it has not.
    """

    def __init__(self) -> None:
        self.read = bytearray()
        self.reason: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        assert self.reason is None
        self.read += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        assert self.reason is None, "ended twice"
        self.reason = reason.value


class FramesTestCase(SynchronousTestCase):
    """
    Has both ends. The far one collects what comes, too.

    @ivar near: opens channels.
    @ivar far: accepts them.
    @ivar accepted: its channels and their kinds.
    """

    def setUp(self) -> None:
        """Connect them."""
        self.accepted: list[tuple[Channel, str]] = []
        self.near = Frames()
        self.far = Frames(lambda channel, kind: self.accepted.append((channel, kind)))
        self.nearPipe, self.farPipe = StringTransport(), StringTransport()
        self.near.makeConnection(self.nearPipe)
        self.far.makeConnection(self.farPipe)

    def carry(self, pieces: random.Random | None = None) -> None:
        """Carry all that is under way, in pieces of random lengths."""
        while self.nearPipe.value() or self.farPipe.value():
            for pipe, end in ((self.nearPipe, self.far), (self.farPipe, self.near)):
                data = pipe.value()
                pipe.clear()
                while data:
                    size = pieces.randint(1, 5000) if pieces else len(data)
                    end.dataReceived(data[:size])
                    data = data[size:]

    def open(self, kind: str = "admin") -> tuple[Collector, Collector, Any]:
        """Open a channel; return the protocols at both of its ends, and the far end's channel."""
        near, far = Collector(), Collector()
        self.near.open(kind, near)
        self.carry()
        channel, found = self.accepted[-1]
        self.assertEqual(kind, found)
        channel.connect(far)
        return near, far, channel

    def lose(self) -> None:
        """End the connection between them."""
        for end in (self.near, self.far):
            end.connectionLost(Failure(ConnectionDone()))
