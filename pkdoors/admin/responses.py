"""Answers of the admin interface: they are encoded and sent in slices, and share memory."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import RESPONSES, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from pkdoors.admin.records import LazyRecords, simplify
from pkdoors.util.turns import Turns

Headers = tuple[tuple[bytes, bytes], ...]

SAFE_HEADERS: Headers = (
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
)
"""Each answer has them: no other page may show or load it, guess its type, or keep it."""

SLICE_RECORDS = 50
"""Records of a long list that are encoded in one turn: about a millisecond."""

SLICE_BYTES = 1 << 16
"""Bytes that are handed to the transport at once."""

READ_TIMEOUT = 30.0
"""Seconds that a client has to read an answer."""

MAX_BODIES = 8
"""Different long answers that may be on their way at a time, a bound for memory. The clients of the
oldest answer lose it first: they have been reading longest."""
MAX_TOTAL = 1 << 26
"""Bytes of all of them, unless it is a single one: 65,536 openings take 25 megabytes."""

Body = bytes | bytearray


def writeJSON(request: Request, status: int, answer: dict[str, str]) -> None:
    """Answer with short JSON, and finish the request."""
    body = encodeShort(answer)
    writeHead(request, status, b"application/json", len(body))
    request.write(body)
    request.finish()


def writeHead(request: Request, status: int, contentType: bytes, length: int) -> None:
    """Set the head of an answer."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", contentType)
    request.setHeader(b"content-length", b"%d" % length)


def makeRefusal(status: int, sentence: str, safeHeaders: Headers = SAFE_HEADERS) -> bytes:
    """Return a whole refusal, head and body, to write before the connection is closed."""
    body = encodeShort({"error": sentence})
    headers = (
        *safeHeaders,
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
    )
    lines = (b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, RESPONSES[status], b"".join(lines), body)


_encodeJSON = json.JSONEncoder(default=simplify).encode


def encodeShort(answer: dict[str, str]) -> bytes:
    """Return JSON in one line."""
    return json.dumps(answer).encode() + b"\n"


async def encode(answer: object, turns: Turns) -> Body:
    """
    Return a record as JSON in one line. L{LazyRecords} in it are made and encoded some in each
    turn: knocks are heard meanwhile, however many there are.
    """
    body = bytearray(b"{")  # it grows in place: to join 25 megabytes would take 20 ms
    for key, value in simplify(answer).items():
        body += f"{', ' if len(body) > 1 else ''}{json.dumps(key)}: ".encode()
        if isinstance(value, LazyRecords):
            records = iter(value)
            body += b"["
            while text := await _encodeSlice(records, turns):
                body += b", " if not body.endswith(b"[") else b""
                body += text.encode()
            body += b"]"
        else:
            body += _encodeJSON(value).encode()
    body += b"}\n"
    return body


async def _encodeSlice(records: Iterator[object], turns: Turns) -> str:
    """Return the next records, in one turn; an empty string if there are no more."""
    await turns.next()
    some = islice(records, SLICE_RECORDS)
    return ", ".join(map(_encodeJSON, some))


class Leaf(Resource):
    """
    Answers one path.

    @ivar methods: the methods of HTTP that it has.
    @ivar methodsWithBody: those of them that take a body. With the others, a body is refused: its
        sender meant something by it.
    """

    isLeaf = True
    methods: tuple[str, ...] = ("GET",)
    methodsWithBody: tuple[str, ...] = ()

    def render(self, request: Request) -> int:
        """Answer, now or later; refuse an unknown method, or a body, with a sentence."""
        method = request.method.decode("ascii", "replace")
        if method not in self.methods:
            request.setHeader(b"allow", ", ".join(self.methods).encode())
            error = f"{method[:20]} is not allowed here: use {' or '.join(self.methods)}"
            writeJSON(request, 405, {"error": error})
        elif method not in self.methodsWithBody and _hasBody(request):
            error = f"{method} takes no body here: use the path, or arguments after a '?'"
            writeJSON(request, 400, {"error": error})
        else:
            self.answer(request, method)
        return NOT_DONE_YET

    def answer(self, request: Request, method: str) -> None:
        """Answer one of L{methods}."""


def _hasBody(request: Request) -> bool:
    assert request.content is not None
    request.content.seek(0)
    return bool(request.content.read(1))


def breakCircle(request: Request) -> None:
    """
    Make a request that has ended forget its producer. Twisted does not, if the client goes first,
    and Python can keep objects that refer to each other in memory for hours; see
    L{pkdoors.daemon.process.memory.Memory}.
    """
    request.producer = None


class Senders:
    """All answers that are on their way, of any length; clients that do not read are dropped."""

    def __init__(self) -> None:
        self._sending: list[Sender] = []

    def send(self, request: Request, body: Body) -> None:
        """Send the body of an answer, whose head is set, and finish the request."""
        sender = Sender(request, body)
        self._sending.append(sender)
        request.notifyFinish().addBoth(lambda _: self._forget(sender))
        sender.start()
        while self._isTooMuch():
            oldest = self._sending[0].body
            for late in [sending for sending in self._sending if sending.body is oldest]:
                self._forget(late)
                late.drop()

    def _isTooMuch(self) -> bool:
        sizes = {id(sending.body): len(sending.body) for sending in self._sending}
        isLarge = len(sizes) > 1 and sum(sizes.values()) > MAX_TOTAL
        return len(sizes) > MAX_BODIES or isLarge

    def _forget(self, sender: "Sender") -> None:
        if sender in self._sending:
            self._sending.remove(sender)


@implementer(IPushProducer)
class Sender:
    """
    One answer on its way to one client.

    @ivar body: the whole body, which other senders may share.
    """

    def __init__(self, request: Request, body: Body) -> None:
        self._request = request
        self.body = body
        self._sent = 0
        self._isPaused = False

    def start(self) -> None:
        """Send, as fast as the client reads."""
        channel: Any = self._request.channel
        timeout = channel.callLater(READ_TIMEOUT, self.drop)

        def end(_: object) -> None:
            if timeout.active():
                timeout.cancel()
            breakCircle(self._request)

        self._request.notifyFinish().addBoth(end)
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def drop(self) -> None:
        """Abort the connection."""
        self._isPaused = True
        transport: Any = self._request.channel.transport
        transport.abortConnection()

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """See L{IPushProducer}. Each write may pause it again."""
        self._isPaused = False
        while self._sent < len(self.body) and not self._isPaused:
            part = bytes(self.body[self._sent : self._sent + SLICE_BYTES])
            self._sent += len(part)
            self._request.write(part)
        if self._sent == len(self.body) and self._request.producer:
            self._request.unregisterProducer()
            self._request.finish()

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self._isPaused = True
