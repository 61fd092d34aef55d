"""Sends events as they happen: server-sent events, as the HTML standard defines them."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from pkdoors.admin._requests import readArguments
from pkdoors.admin.responses import Leaf, breakCircle, writeJSON
from pkdoors.errors import BadValue
from pkdoors.events.history import EventHistory, PastEvent
from pkdoors.events.publisher import Follower

MAX_BACKLOG = 1 << 20
"""Bytes that wait for a client that does not read: two thousand events, more than a burst."""
MAX_STREAMS = 64
"""Streams at a time: with their backlogs, a bound for memory."""

MISSED = b"missed"
"""The kind of the event that replaces those that are no longer kept."""
SLICE = 1 << 16
"""Bytes of past events that are handed to the stream at once."""


Follow = Callable[[Follower], Callable[[], None]]


class Events(Leaf):
    """
    Answers with all events from now on; before them come past events that the client asks for.

    @param follow: passes each event to a follower from now on, and returns a function that ends
        that.
    @param history: has the past events.
    @param arguments: the names of the arguments that choose past events; without any, nobody gets
        some.
    """

    def __init__(
        self, follow: Follow, history: EventHistory, arguments: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._follow = follow
        self._history = history
        self._arguments = arguments
        self._streams: set[EventStream] = set()
        self._lastEncoded: tuple[PastEvent | None, bytes] = (None, b"")

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        try:
            arguments = readArguments(request, self._arguments)
        except BadValue as error:
            writeJSON(request, 400, {"error": str(error)})
            return
        if len(self._streams) >= MAX_STREAMS:
            limit = f"{MAX_STREAMS} clients follow the events, which is the limit"
            writeJSON(request, 503, {"error": f"{limit}: try again"})
            return
        if self._arguments and (seen := request.getHeader(b"last-event-id")):
            arguments["after"] = seen.decode("utf-8", "replace")
        self._begin(request, **arguments)

    def _begin(self, request: Request, last: int = 0, after: str = "") -> None:
        request.setHeader(b"content-type", b"text/event-stream")
        stream = EventStream(request)
        self._streams.add(stream)
        unfollow = self._follow(lambda event: stream.send(self._encode(event)))

        def forget(_: object) -> None:
            unfollow()
            self._streams.discard(stream)
            breakCircle(request)

        request.notifyFinish().addBoth(forget)
        for part in self._makePast(last, after):
            stream.send(part)

    def _makePast(self, last: int, after: str) -> Iterator[bytes]:
        """Yield what a stream begins with, in slices."""
        events, missed = self._history.after(after) if after else (self._history.last(last), 0)
        before = self._history.before(events)
        # From the comment a client knows that it follows. The id is for one that hears no event.
        part = b": pkdoors\n\nid: %b\n\n" % before.encode()
        if missed != 0:
            part += b"event: %b\ndata: %b\n\n" % (MISSED, json.dumps({"count": missed}).encode())
        for event in events:
            part += encodeEvent(event)
            if len(part) >= SLICE:
                yield part
                part = b""
        yield part

    def _encode(self, event: PastEvent) -> bytes:
        """Return the bytes of an event; they are made once, however many clients follow."""
        if event is not self._lastEncoded[0]:
            self._lastEncoded = event, encodeEvent(event)
        return self._lastEncoded[1]


def encodeEvent(event: PastEvent) -> bytes:
    """Return an event as the HTML standard has it, section "Server-sent events"."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.kind.encode(), event.data)


@implementer(IPushProducer)
class EventStream:
    """
    The events for one client. While it does not read, they wait, up to a bound.
    """

    _log = Logger()

    def __init__(self, request: Request) -> None:
        self._request = request
        self._isPaused = False
        self._isDropped = False
        self._backlog: deque[bytes] = deque()
        self._waiting = 0  # bytes
        request.registerProducer(self, True)

    def send(self, data: bytes) -> None:
        """Send whole events, now or when the client reads again."""
        if self._isDropped:  # the connection is lost in the reactor's next turn
            return
        if not self._isPaused:
            self._request.write(data)
            return
        self._backlog.append(data)
        self._waiting += len(data)
        if self._waiting > MAX_BACKLOG:
            self._log.warn("a client that follows the events does not read them, and was dropped")
            self._drop()

    def _drop(self) -> None:
        self._isDropped = True
        self._backlog.clear()
        transport: Any = self._request.channel.transport
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """See L{IPushProducer}. Each write may pause it again."""
        self._isPaused = False
        while self._backlog and not self._isPaused:
            data = self._backlog.popleft()
            self._waiting -= len(data)
            self._request.write(data)

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self._isPaused = True
