"""A host in memory, for the operator's page."""

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from pkdoors.web.channels.adminside import KINDS, IAdminSide


class FakeChannel(StringTransport):
    """
    A channel.

    @ivar kind: of the channel.
    @ivar protocol: what is connected to it.
    @ivar isEnded: whether it has ended.
    """

    def __init__(self, kind: str, protocol: Any) -> None:
        super().__init__()
        self.kind = kind
        self.protocol = protocol
        self.isEnded = False

    def abortConnection(self) -> None:
        """See L{ITCPTransport}."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """See L{ITransport}."""
        if not self.isEnded:
            self.end()

    def answer(self, data: bytes) -> None:
        """Send data to the page, which must not have paused."""
        assert not self.isEnded and self.producerState == "producing"
        self.protocol.dataReceived(data)

    def end(self, error: Exception | None = None) -> None:
        """End the channel from the host's side."""
        assert not self.isEnded
        self.isEnded = True
        self.protocol.connectionLost(Failure(error or ConnectionDone()))


@implementer(IAdminSide)
class FakeSide:
    """
    A host.

    @ivar channels: that were opened.
    @ivar error: why none can be opened, if it is not L{None}.
    @ivar beginning: fires when the host is reached.
    @ivar isStopped: whether it was stopped.
    """

    def __init__(self) -> None:
        self.ended: Deferred[str] = Deferred()
        self.beginning: Deferred[None] = Deferred()
        self.channels: list[FakeChannel] = []
        self.error: Exception | None = None
        self.isStopped = False

    def begin(self) -> Deferred[None]:
        """See L{IAdminSide.begin}."""
        return self.beginning

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{IAdminSide.open}."""
        assert kind in KINDS
        if self.error:
            protocol.connectionLost(Failure(self.error))
            return
        channel = FakeChannel(kind, protocol)
        self.channels.append(channel)
        protocol.makeConnection(channel)

    def stop(self) -> Deferred[None]:
        """See L{IAdminSide.stop}."""
        self.isStopped = True
        return succeed(None)
