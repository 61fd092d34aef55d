"""Sends answers of any length to those who read, and drops those who do not."""

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import Request
from zope.interface import implementer

SLICE = 1 << 16
"""Bytes that are handed on at once."""

PATIENCE = 30.0
"""Seconds that a client has to read an answer."""

MAX_BODIES = 8
"""Different long answers that may be on their way at a time, a bound for memory: those whom the
oldest ones are for have been reading longest."""


class Senders:
    """
    All answers that are on their way.
    """

    def __init__(self) -> None:
        self._sending: list[Sender] = []

    def send(self, request: Request, body: bytes) -> None:
        """Send the body of an answer, whose head is set, and be done."""
        sender = Sender(request, body)
        self._sending.append(sender)
        request.notifyFinish().addBoth(lambda _: self._forget(sender))
        sender.start()
        if len({id(each.body) for each in self._sending}) > MAX_BODIES:
            oldest = self._sending[0].body
            for each in [each for each in self._sending if each.body is oldest]:
                self._forget(each)
                each.drop()

    def _forget(self, sender: "Sender") -> None:
        if sender in self._sending:
            self._sending.remove(sender)


@implementer(IPushProducer)
class Sender:
    """
    One answer on its way to one client.

    @ivar body: all of it, which others may share.
    """

    def __init__(self, request: Request, body: bytes) -> None:
        self._request = request
        self.body = body
        self._sent = 0
        self._isPaused = False

    def start(self) -> None:
        """Send, as fast as the client reads."""
        channel: Any = self._request.channel
        patience = channel.callLater(PATIENCE, self.drop)
        ended = self._request.notifyFinish()
        ended.addBoth(lambda _: patience.active() and patience.cancel())
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def drop(self) -> None:
        """Do not wait any longer."""
        self._isPaused = True
        transport: Any = self._request.channel.transport
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """Nobody reads at the moment."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """Somebody reads."""
        self._isPaused = False
        while self._sent < len(self.body) and not self._isPaused:
            part = self.body[self._sent : self._sent + SLICE]
            self._sent += len(part)
            self._request.write(part)
        if self._sent == len(self.body) and self._request.producer:
            self._request.unregisterProducer()
            self._request.finish()

    def stopProducing(self) -> None:
        """Nobody reads any more."""
        self._isPaused = True
