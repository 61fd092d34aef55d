"""The far end of C{pkdoors web HOST}: frames on standard input and output, for this host."""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from pkdoors.errors import PkdoorsError
from pkdoors.web.channels._channel import Channel
from pkdoors.web.channels._frames import Frames
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.channels.greeting import GREETING


async def relay(side: IAdminSide) -> None:
    """Serve standard input and output until they end."""
    frames = RelayFrames(side)
    StandardIO(frames)
    await frames.ended
    await side.stop()


class RelayFrames(Frames):
    """
    Greets the other end, and opens the channels that it asks for.

    @ivar ended: fires when the other end has gone.
    """

    def __init__(self, side: IAdminSide) -> None:
        super().__init__(self._accept_)
        self.ended: Deferred[None] = Deferred()
        self._side = side

    def connectionMade(self) -> None:
        """See L{IProtocol}."""
        super().connectionMade()
        self.transport.write(GREETING)  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{IProtocol}."""
        super().connectionLost(reason)
        self.ended.callback(None)

    def _accept_(self, channel: Channel, kind: str) -> None:
        self._side.open(kind, _Far(channel))


class _Far(Protocol):
    """
    A connection of this host, which a channel carries on.

    @param channel: to the other end.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def connectionMade(self) -> None:
        """See L{Protocol}. Only now does the channel let data in."""
        self.channel.registerProducer(self.transport, True)
        self.channel.connect(_Near(self))

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        self.channel.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        self.channel.unregisterProducer()
        self.channel.loseConnection(str(reason.value) if reason.check(PkdoorsError) else "")


class _Near(Protocol):
    """
    The channel's end here.

    @param far: the connection that it belongs to.
    """

    def __init__(self, far: _Far) -> None:
        self._far = far

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        self._far.transport.write(data)  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        self._far.transport.abortConnection()  # type: ignore[union-attr]
