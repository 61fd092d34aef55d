"""Sends events as they happen: server-sent events, as the HTML standard defines them."""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from pkdoors.admin.responses import Leaf, breakCircle, writeJSON
from pkdoors.events.event import Event, fields
from pkdoors.util.oneline import formatJSONLine

MAX_BACKLOG = 1 << 20
"""Bytes that wait for a client that does not read: two thousand events, more than a burst."""
MAX_STREAMS = 64
"""Streams at a time: with their backlogs, a bound for memory."""

Subscribe = Callable[[Callable[[Event], None]], Callable[[], None]]


class Events(Leaf):
    """Answers with all events from now on."""

    def __init__(self, subscribe: Subscribe) -> None:
        super().__init__()
        self._subscribe = subscribe
        self._streams: set[EventStream] = set()
        self._lastEncoded: tuple[Event | None, bytes] = (None, b"")

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        if len(self._streams) >= MAX_STREAMS:
            error = f"{MAX_STREAMS} clients follow the events, which is the limit: try again"
            writeJSON(request, 503, {"error": error})
            return
        request.setHeader(b"content-type", b"text/event-stream")
        stream = EventStream(request, self._encode)
        self._streams.add(stream)
        unsubscribe = self._subscribe(stream.hear)

        def forget(_: object) -> None:
            unsubscribe()
            self._streams.discard(stream)
            breakCircle(request)

        request.notifyFinish().addBoth(forget)
        request.write(b": pkdoors\n\n")  # the client knows from it that it follows

    def _encode(self, event: Event) -> bytes:
        """Return the bytes of an event; they are made once, however many clients follow."""
        if event is not self._lastEncoded[0]:
            data = f"event: {event.kind}\ndata: {formatJSONLine(fields(event))}\n\n".encode()
            self._lastEncoded = event, data
        return self._lastEncoded[1]


@implementer(IPushProducer)
class EventStream:
    """
    The events for one client. While it does not read, they wait, up to a bound.

    @param encode: returns the bytes of an event.
    """

    _log = Logger()

    def __init__(self, request: Request, encode: Callable[[Event], bytes]) -> None:
        self._request = request
        self._encode = encode
        self._isPaused = False
        self._isDropped = False
        self._backlog: deque[bytes] = deque()
        self._waiting = 0  # bytes
        request.registerProducer(self, True)

    def hear(self, event: Event) -> None:
        """Send an event, now or when the client reads again."""
        if self._isDropped:  # the connection is lost in the reactor's next turn
            return
        data = self._encode(event)
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
