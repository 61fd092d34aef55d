"""HTTP over one connection: small requests, one at a time, as the operator sends them."""

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITransport
from twisted.logger import Logger
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Request, Site
from zope.interface import directlyProvides, providedBy

from pkdoors.admin.browsers import refuseBrowser
from pkdoors.admin.responses import SAFE_HEADERS, makeRefusal
from pkdoors.util.turns import Turns

MAX_BODY = 4096
"""Bytes of a request's body: an address and the name of a door."""

MAX_PIECES = 64
"""Pieces of a chunked body: each takes time, however short it is."""

REQUEST_TIMEOUT = 30.0
"""Seconds from the start of a connection, or from an answer, until the next request must have
arrived as a whole; the client also has them to read the last answer."""

REQUESTS_PER_TURN = 4
"""Requests that are begun in one reactor turn: a third of a millisecond each."""

_TOO_LONG = "the body is too long: {} bytes are allowed"

_BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"
"""What Twisted answers to bytes that it cannot parse, before it hangs up."""

_NOT_HTTP = "this is not HTTP, or its head is too long: use `pkdoors`, or `curl --unix-socket`"


class _BodyTooLong(Exception):
    """A body is longer than is allowed, or has more than L{MAX_PIECES}."""


class AdminRequest(Request):
    """
    A request. Its body is kept in memory, and it is answered in its turn: however many requests
    come at the same moment, on one connection or many, knocks are heard in between.

    @cvar maxBody: the most bytes of its body.
    @cvar maxPieces: the most pieces in which that may come.
    """

    maxBody, maxPieces = MAX_BODY, MAX_PIECES

    _log = Logger()
    _pieces = 0

    def gotLength(self, length: int | None) -> None:
        """See L{Request.gotLength}. Twisted would write a long body into a file."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """See L{Request.handleContentChunk}."""
        assert self.content is not None
        self._pieces += 1
        if self._pieces > self.maxPieces or self.content.tell() + len(data) > self.maxBody:
            raise _BodyTooLong
        self.content.write(data)

    def process(self) -> None:
        """See L{Request.process}."""
        channel: Any = self.channel
        for header in channel.safeHeaders:
            self.setHeader(*header)
        if self.path == b"*":  # which Twisted itself would answer
            self.path = b"/*"
        turn: Deferred[None] = channel.site.turns.next()
        turn.addCallback(lambda _: self._disconnected or super(AdminRequest, self).process())
        turn.addErrback(lambda failure: self._log.failure("an answer failed", failure))


class AdminChannel(HTTPChannel):
    """
    Refuses a request as soon as its head, or the part of its body that has arrived, is bad.

    @cvar maxBody: the most bytes of a request's body.
    @cvar safeHeaders: headers that each answer has.
    @cvar notHTTP: the sentence for what cannot be parsed.
    """

    maxBody = MAX_BODY
    safeHeaders = SAFE_HEADERS
    notHTTP = _NOT_HTTP

    MAX_LENGTH = 4096
    maxHeaders = 64
    totalHeadersSize = 8192
    _optimisticEagerReadSize = 0  # during an answer, read hardly any of the next request
    _isRefused = False

    def makeConnection(self, transport: ITransport) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        refusal = makeRefusal(400, self.notHTTP, self.safeHeaders)
        super().makeConnection(_ExplainingTransport(transport, refusal))

    def resetTimeout(self) -> None:
        """Do nothing: a byte now and then does not extend the time for a request."""

    def timeoutConnection(self) -> None:
        """See L{twisted.protocols.policies.TimeoutMixin}."""
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def lineLengthExceeded(self, line: bytes) -> None:
        """See L{twisted.protocols.basic.LineReceiver}."""
        self._respondToBadRequestAndDisconnect()

    def allHeadersReceived(self) -> None:
        """See L{HTTPChannel.allHeadersReceived}."""
        request = self.requests[-1]
        refusal = self.refuse(self._command, request.requestHeaders)
        if refusal is None and (self.length or 0) > self.maxBody:
            refusal = 413, _TOO_LONG.format(self.maxBody)
        if refusal is None:
            super().allHeadersReceived()
        else:
            self._refuse(*refusal)

    def refuse(self, method: bytes, headers: Headers) -> tuple[int, str] | None:
        """Return the status and sentence with which a request is refused for its head, if it is."""
        return refuseBrowser(headers, self._version)

    def allContentReceived(self) -> None:
        """See L{HTTPChannel.allContentReceived}."""
        if not self._isRefused:
            super().allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        """See L{HTTPChannel.rawDataReceived}."""
        if self._isRefused:
            return
        try:
            super().rawDataReceived(data)
        except _BodyTooLong:
            self._refuse(413, _TOO_LONG.format(self.maxBody))

    def readConnectionLost(self) -> None:
        """
        Answer a client that sends no more, as C{nc -N} does at once. Events have no end, though,
        and a follower that has gone altogether would never be noticed: close its connection.
        """
        self.persistent = False
        if not (self._handlingRequest and self._hasEnd(self.requests[0])):
            self.loseConnection()

    def _hasEnd(self, request: Request) -> bool:
        isBegun = bool(request.startedWriting)
        return not isBegun or request.responseHeaders.hasHeader(b"content-length")

    def requestDone(self, request: Request) -> None:
        """See L{HTTPChannel.requestDone}."""
        super().requestDone(request)
        if not self.persistent:
            self.setTimeout(REQUEST_TIMEOUT)

    def _refuse(self, status: int, sentence: str) -> None:
        self._isRefused = True
        assert self.transport is not None
        self.transport.write(makeRefusal(status, sentence, self.safeHeaders))
        self.loseConnection()


class _ExplainingTransport:
    """
    A transport that explains why it ends: Twisted's answer to a bad request cannot be configured,
    but what it writes passes here.
    """

    def __init__(self, transport: ITransport, refusal: bytes) -> None:
        self._transport = transport
        self._refusal = refusal
        directlyProvides(self, providedBy(transport))

    def write(self, data: bytes) -> None:
        self._transport.write(self._refusal if data == _BARE_REFUSAL else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class QuietSite(Site):
    """
    A site that keeps no log of its own.

    @ivar turns: see L{REQUESTS_PER_TURN}.
    """

    protocol = AdminChannel  # type: ignore[assignment]
    requestFactory = AdminRequest

    def __init__(self, reactor: Any, root: IResource, timeout: float = REQUEST_TIMEOUT) -> None:
        self.turns = Turns(reactor, REQUESTS_PER_TURN)
        super().__init__(root, timeout=timeout, reactor=reactor, parsePOSTFormSubmission=False)
        self.displayTracebacks = False

    def log(self, request: Any) -> None:
        """Log nothing: what an operator does is published as events."""
