"""Events as they happen, for those who follow: server-sent events, as HTML's standard has them."""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from pkdoors.admin._responses import Leaf, write
from pkdoors.events.event import Event, fields
from pkdoors.util.oneline import formatJSONLine

MAX_BACKLOG = 1 << 20
"""Bytes that wait for somebody who does not read: two thousand events, more than a burst."""
MAX_FOLLOWERS = 64
"""Followers at a time: with their backlogs, a bound for memory."""

Subscribe = Callable[[Callable[[Event], None]], Callable[[], None]]


class Streams(Leaf):
    """Answers with all events from now on."""

    def __init__(self, subscribe: Subscribe) -> None:
        super().__init__()
        self._subscribe = subscribe
        self._followers: set[Follower] = set()
        self._lastTold: tuple[Event | None, bytes] = (None, b"")

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        if len(self._followers) >= MAX_FOLLOWERS:
            write(request, 503, {"error": f"{MAX_FOLLOWERS} follow already, which is the most"})
            return
        request.setHeader(b"content-type", b"text/event-stream")
        follower = Follower(request, self._told)
        self._followers.add(follower)
        end = self._subscribe(follower.hear)

        def gone(_: object) -> None:
            end()
            self._followers.discard(follower)

        request.notifyFinish().addBoth(gone)
        request.write(b": pkdoors\n\n")  # so that who asks knows that it follows

    def _told(self, event: Event) -> bytes:
        """An event as it is told; written once, however many follow."""
        if event is not self._lastTold[0]:
            told = f"event: {event.kind}\ndata: {formatJSONLine(fields(event))}\n\n".encode()
            self._lastTold = event, told
        return self._lastTold[1]


@implementer(IPushProducer)
class Follower:
    """
    Somebody who follows. While one does not read, what is to be told waits, up to a bound.

    @param told: gives an event as it is told.
    """

    _log = Logger()

    def __init__(self, request: Request, told: Callable[[Event], bytes]) -> None:
        self._request = request
        self._told = told
        self._isPaused = False
        self._isDropped = False
        self._backlog: deque[bytes] = deque()
        self._waiting = 0  # bytes
        request.registerProducer(self, True)

    def hear(self, event: Event) -> None:
        """Tell an event."""
        if self._isDropped:  # the connection is lost in the reactor's next turn
            return
        told = self._told(event)
        if not self._isPaused:
            self._request.write(told)
            return
        self._backlog.append(told)
        self._waiting += len(told)
        if self._waiting > MAX_BACKLOG:
            self._log.warn("a follower of the events does not read them, and was dropped")
            self._abort()

    def _abort(self) -> None:
        self._isDropped = True
        self._backlog.clear()
        transport: Any = self._request.channel.transport
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """Nobody reads at the moment."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """Somebody reads again."""
        self._isPaused = False
        while self._backlog and not self._isPaused:
            told = self._backlog.popleft()
            self._waiting -= len(told)
            self._request.write(told)

    def stopProducing(self) -> None:
        """Nobody reads any more."""
        self._isPaused = True
