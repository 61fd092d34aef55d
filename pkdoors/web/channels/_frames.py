"""
Several channels over one connection, in frames: netstrings, each with the number of a channel, a
letter, and what that needs. There are four letters:

  - C{o}: open a channel of a kind; only C{pkdoors web} does.
  - C{d}: data, at most L{MAX_DATA} bytes.
  - C{c}: credit, a number of bytes that were taken in, and can be sent more.
  - C{e}: the end of a channel, and a sentence if something went wrong.

Each end of a channel begins with L{WINDOW} bytes of credit. So no channel waits for another one
whose reader is slow, and what waits in memory has a bound.
"""

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import NetstringReceiver
from twisted.python.failure import Failure

from pkdoors.errors import AskError
from pkdoors.web.channels._channel import LOST, MAX_DATA, MAX_REASON, Channel

MAX_CHANNELS = 128
"""At a time: more than L{pkdoors.web._site} has connections."""

_FRAME = re.compile(rb"([0-9]{1,10})([odce])(.*)", re.DOTALL)


class Frames(NetstringReceiver):
    """
    One end of the connection.

    @param accept: is given each channel that the other end opens, and its kind; L{None} if the
        other end opens none.
    @ivar fault: why the connection ended, if a frame was wrong.
    """

    MAX_LENGTH = MAX_DATA + 16

    def __init__(self, accept: Callable[[Channel, str], None] | None = None) -> None:
        self.fault = ""
        self._accept = accept
        self._channels: dict[int, Channel] = {}
        self._last = 0
        self._isOver = False

    def open(self, kind: str, protocol: IProtocol) -> None:
        """Connect a protocol with a new channel."""
        if self._isOver or len(self._channels) >= MAX_CHANNELS:
            sentence = LOST if self._isOver else "too many requests at a time: try again"
            protocol.connectionLost(Failure(AskError(sentence)))
            return
        self._last += 1
        channel = self._add(self._last)
        self.send(self._last, b"o", kind.encode())
        channel.connect(protocol)

    def send(self, number: int, letter: bytes, data: bytes = b"") -> None:
        """Send a frame."""
        if not self._isOver:
            self.sendString(b"%d%b%b" % (number, letter, data))

    def forget(self, number: int) -> None:
        """Forget a channel that both ends have ended."""
        self._channels.pop(number, None)

    def stringReceived(self, string: bytes) -> None:
        """See L{NetstringReceiver}."""
        found = _FRAME.fullmatch(string)
        if self._isOver or not found:
            self._fail("a frame has no number and letter")
            return
        number, letter, data = int(found[1]), found[2], found[3]
        channel = self._channels.get(number)
        if letter == b"o":
            self._open(number, data)
        elif channel is None:
            pass  # we have ended it, and the other end did not know yet
        elif letter == b"d":
            if not channel.receive(data):
                self._fail("more data than there was credit for")
        elif letter == b"e":
            channel.endReceived(data[:MAX_REASON].decode(errors="replace"))
        elif data.isdigit() and len(data) < 10:
            channel.addCredit(int(data))
        else:
            self._fail("credit that is not a number")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{IProtocol}. The channels end with it."""
        self._isOver = True
        if self.brokenPeer:
            self.fault = self.fault or "it is not a frame"
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            channel.lose()

    def _open(self, number: int, kind: bytes) -> None:
        if self._accept is None or number <= self._last or len(self._channels) >= MAX_CHANNELS:
            self._fail("a channel that cannot be opened")
            return
        self._last = number
        self._accept(self._add(number), kind.decode(errors="replace"))

    def _add(self, number: int) -> Channel:
        channel = self._channels[number] = Channel(self, number)
        return channel

    def _fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        transport: Any = self.transport
        transport.loseConnection()
