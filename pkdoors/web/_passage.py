"""Passes a request of the page to the daemon, and the daemon's answer to the page."""

import re
from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request
from zope.interface import implementer

from pkdoors.admin.responses import breakCircle, writeJSON
from pkdoors.errors import PkdoorsError
from pkdoors.util.oneline import formatJSONLine

MAX_HEAD = 1 << 14
"""Bytes of the head of the daemon's answer."""
MAX_ANSWER = 1 << 26
"""Bytes of an answer: the longest of a daemon, 65,536 openings, has 25 megabytes."""

_STATUS = re.compile(rb"HTTP/1\.[01] (200|400|403|404|405|409|413|415|500|503)(?: |$)")
"""The statuses of a daemon. With others a host behind ssh might lead the browser elsewhere, or have
it take the session for ended."""
_JSON, _EVENTS = b"application/json", b"text/event-stream"
"""The types of a daemon's answers. A script, say, would run on the operator's machine as ours."""
_UNREADABLE = "the daemon's answer cannot be read: is it pkdoors?"
_CUT = "the daemon ended the connection before it answered: see its log"


@implementer(IPushProducer)
class Passage(Protocol):
    """
    A connection to the daemon, for one request of the page. The page's speed is the daemon's.

    @param request: of the page.
    @param target: the path that the daemon is asked for, with arguments.
    @param body: for the daemon.
    """

    def __init__(self, request: Request, target: bytes, body: bytes) -> None:
        self._request = request
        self._head: bytearray | None = bytearray()
        self._left: int | None = None
        self._isOver = False
        self._kind = b""
        self._question = b"%b %b HTTP/1.0\r\nHost: pkdoors\r\n%b\r\n%b" % (
            request.method,
            target,
            _describeBody(body) + _copyPlace(request),
            body,
        )
        request.notifyFinish().addBoth(self._leave)

    def connectionMade(self) -> None:
        """See L{Protocol}."""
        assert self.transport is not None
        if self._isOver:
            self._abort()
        else:
            self.transport.write(self._question)

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        if self._isOver:
            return
        if self._head is None:
            self._pass(data)
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found and self._begin(bytes(head)):
            self._pass(bytes(rest))
        elif not found and len(self._head) > MAX_HEAD:
            self._refuse(502, _UNREADABLE)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}. A L{PkdoorsError} says why there is no more."""
        if self._isOver:
            return
        sentence = str(reason.value) if reason.check(PkdoorsError) else _CUT
        if self._head is not None:
            self._refuse(503, sentence)
        elif self._kind == _EVENTS:
            if reason.check(PkdoorsError):
                self._request.write(b"event: ended\ndata: %b\n\n" % _encode(sentence))
            self._finish()
        else:
            self._cut()

    def _begin(self, head: bytes) -> bool:
        """Take in the head of the answer."""
        status, *lines = head.split(b"\r\n")
        found = _STATUS.match(status)
        headers = dict(_splitHeader(line) for line in lines)
        kind, length = headers.get(b"content-type"), _readLength(headers)
        if not found or not (kind == _EVENTS or (kind == _JSON and length is not None)):
            self._refuse(502, _UNREADABLE)
            return False
        self._head = None
        self._kind, self._left = kind, length if kind == _JSON else None
        self._request.setResponseCode(int(found[1]))
        self._request.setHeader(b"content-type", kind)
        if self._left is not None:
            self._request.setHeader(b"content-length", b"%d" % self._left)
        self._request.registerProducer(self, True)
        return True

    def _pass(self, data: bytes) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._request.write(data)
        if self._left == 0 and not self._isOver:
            self._finish()

    def _finish(self) -> None:
        self._request.unregisterProducer()
        self._request.finish()  # which calls _leave()

    def _cut(self) -> None:
        """End an answer that is not whole, so that nobody takes it for one."""
        channel: Any = self._request.channel
        channel.transport.abortConnection()

    def _refuse(self, status: int, sentence: str) -> None:
        writeJSON(self._request, status, {"error": sentence})

    def _leave(self, _: object) -> None:
        """Leave the daemon: the request has been answered, or the page has gone."""
        self._isOver = True
        breakCircle(self._request)
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        if not self._isOver:
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def resumeProducing(self) -> None:
        """See L{IPushProducer}."""
        if not self._isOver:
            self.transport.resumeProducing()  # type: ignore[union-attr]

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self._leave(None)


def _describeBody(body: bytes) -> bytes:
    if not body:
        return b""
    return b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)


def _copyPlace(request: Request) -> bytes:
    """Return the header with which a page goes on where its events have ended."""
    (place,) = request.requestHeaders.getRawHeaders(b"last-event-id", [b""])[:1]
    return b"Last-Event-ID: %b\r\n" % place if re.fullmatch(rb"[!-~]{1,100}", place) else b""


def _splitHeader(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _readLength(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the length of an answer; L{None} if it is missing, or too large."""
    digits = headers.get(b"content-length", b"")
    isNumber = re.fullmatch(rb"[0-9]{1,9}", digits)
    return int(digits) if isNumber and int(digits) <= MAX_ANSWER else None


def _encode(sentence: str) -> bytes:
    return formatJSONLine({"error": sentence}).encode()
