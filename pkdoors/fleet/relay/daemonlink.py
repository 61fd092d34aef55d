"""Talks with the daemon over its lesser socket, C{docs/admin.md}. Nothing here blocks."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from errno import EACCES
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, readBody
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from pkdoors.errors import AskError, NoDaemon
from pkdoors.fleet.relay._sse import EventParser

MAX_BODY = 200_000
"""Bytes of a request; the daemon takes somewhat more."""
MAX_LINES = 500
"""Lines of a request. The daemon takes twice as many."""
CONNECT_LIMIT = 10
"""Seconds until the daemon accepts a connection."""
ANSWER_LIMIT = 60.0
"""Seconds for an answer. The daemon spends a quarter of a processor on relayed seals."""
IDLE_LIMIT = 20
"""Seconds after which a connection is closed that nobody uses; the daemon does so after 30."""
MAX_ANSWER = 4 << 20
"""Bytes of an answer: five hundred openings are a third of a megabyte."""

Fields = Mapping[str, Any]


def makeSealLine(host: str, source: str, seal: bytes) -> bytes:
    """Return the line for a seal that another host heard."""
    return _makeLine(host=host, source=source, seal=b64encode(seal).decode())


def makeOrderLine(order: bytes) -> bytes:
    """Return the line for an order."""
    return _makeLine(order=b64encode(order).decode())


def makeClaimLine(number: int, won: bool | None) -> bytes:
    """Return the line that answers a claim; C{won} is L{None} if nobody can tell."""
    return _makeLine(claim=number, won=won)


def _makeLine(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


class DaemonRefusal(AskError):
    """The daemon is there, and refuses a request."""


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """The one way to the daemon."""

    def __init__(self, reactor: Any, path: str) -> None:
        self._endpoint = UNIXClientEndpoint(reactor, path, CONNECT_LIMIT)

    def endpointForURI(self, uri: Any) -> UNIXClientEndpoint:
        """See L{IAgentEndpointFactory}."""
        return self._endpoint


@implementer(IBodyProducer)
class _Body:
    """What a request holds, in one piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """See L{IBodyProducer}."""
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Do nothing: all of it is written."""

    def resumeProducing(self) -> None:
        """Do nothing."""

    def stopProducing(self) -> None:
        """Do nothing."""


class _Following(Protocol):
    """
    A stream of events.

    @ivar ended: fires when it ends.
    """

    def __init__(self, parser: EventParser) -> None:
        self._parser = parser
        self.ended: Deferred[None] = Deferred(lambda _: self._hangUp())

    def dataReceived(self, data: bytes) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        try:
            self._parser.feed(data)
        except (ValueError, RecursionError):
            self._hangUp()

    def _hangUp(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        if not self.ended.called:
            self.ended.callback(None)


class DaemonLink:
    """
    Asks one daemon.

    @param path: of its lesser socket.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path
        self._pool = HTTPConnectionPool(reactor)
        self._pool.cachedConnectionTimeout = IDLE_LIMIT
        self._pool._factory.noisy = False  # else each connection is two lines
        endpoints = _Endpoints(reactor, path)
        self._agent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)

    async def post(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """
        Hand in seals, orders and answers to claims, at most L{MAX_BODY} bytes.

        @return: what became of each.
        @raise AskError: nobody knows; the lines can be handed in again.
        """
        text = await self._ask(b"POST", b"/seals", _Body(b"".join(lines)))
        return [_parse(line) for line in text.splitlines()]

    async def status(self, limit: int) -> dict[str, Any]:
        """
        Ask for the status.

        @param limit: how many openings, those that end first.
        @raise AskError: there is none.
        """
        return _parse(await self._ask(b"GET", b"/status?limit=%d" % limit))

    async def _ask(self, method: bytes, path: bytes, body: Any = None) -> bytes:
        response = await self._request(method, path, body)
        reading: Deferred[bytes] = readBody(response)
        try:
            text = await reading.addTimeout(ANSWER_LIMIT, self._reactor)
        except (TimeoutError, Exception) as error:
            raise AskError(f"the daemon's answer broke off: {type(error).__name__}") from None
        if response.code != 200:
            raise DaemonRefusal(f"the daemon refuses {path.decode()}: {_readError(text)}")
        return text

    async def _request(self, method: bytes, path: bytes, body: Any = None) -> IResponse:
        url = b"http://pkdoors" + path
        asking: Deferred[IResponse] = self._agent.request(method, url, bodyProducer=body)
        try:
            return await asking.addTimeout(ANSWER_LIMIT, self._reactor)
        except (TimeoutError, ResponseFailed):
            raise AskError("the daemon does not answer") from None
        except Exception as error:  # whatever keeps a UNIX socket from being there
            if getattr(error, "osError", None) == EACCES:
                raise NoDaemon(
                    f"this user may not use {self._path}: run this as the user pkdoors-fleet, or "
                    "restart the daemon if that user was made after its start"
                ) from None
            raise NoDaemon(
                "the daemon is not running, or has no door with fleet = true: nobody answers at "
                f"{self._path}"
            ) from None

    async def follow(
        self, path: str, begin: Callable[[], None], hear: Callable[[str, dict[str, Any]], None]
    ) -> None:
        """
        Follow a stream of events until it ends.

        @param path: C{/seals} or C{/events}.
        @param begin: called when nothing is missed any more.
        @raise AskError: there is no such stream.
        """
        response = await self._request(b"GET", path.encode())
        if response.code != 200:
            text = await readBody(response)
            raise AskError(f"the daemon refuses {path}: {_readError(text)}")
        following = _Following(EventParser(hear))
        begin()
        response.deliverBody(following)
        await following.ended

    def close(self) -> Deferred[None]:
        """Close the connections that nobody uses."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed


def _parse(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AskError("the daemon's answer is not a JSON object")
    return found


def _readError(text: bytes) -> str:
    try:
        return str(_parse(text)["error"])
    except (AskError, KeyError):
        return "without a reason"
