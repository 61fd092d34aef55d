"""The path of seals: what other hosts have heard comes in, what this host has heard goes out."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from pkdoors.admin.responses import Leaf, breakCircle, writeHead, writeJSON
from pkdoors.daemon.fleet.outbox import Fields, Follower
from pkdoors.doorkeeper.outcome import Outcome

MAX_LINES = 1000
"""Lines of a request: its answer is written in one turn of the reactor, in some milliseconds."""


class Relay(Protocol):
    """The daemon, as far as it belongs to a fleet."""

    def take(self, lines: Sequence[bytes]) -> Deferred[list[Outcome]]:
        """
        Work on lines of C{POST /seals}. The Deferred fires with the outcome of each; if it is
        cancelled, the rest is left.
        """

    def follow(self, follower: Follower) -> None:
        """Send a follower everything from now on."""

    def leave(self, follower: Follower) -> None:
        """Send a follower nothing more."""

    def proceed(self, follower: Follower) -> None:
        """Send a follower what waits."""


class Seals(Leaf):
    """Takes relayed seals, orders and answers to claims; sends seals and claims."""

    _log = Logger()
    methods = ("GET", "POST")
    methodsWithBody = ("POST",)

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        if method == "GET":
            SealStream(request, self._relay)
            return
        assert request.content is not None
        request.content.seek(0)
        lines = [line for line in request.content.read().split(b"\n") if line.strip()]
        if not lines:
            writeJSON(
                request, 400, {"error": "the body is empty: send a line of JSON for each seal"}
            )
        elif len(lines) > MAX_LINES:
            error = f"the body has {len(lines)} lines, {MAX_LINES} are allowed: send the rest later"
            writeJSON(request, 413, {"error": error})
        else:
            self._take(request, lines)

    def _take(self, request: Request, lines: Sequence[bytes]) -> None:
        answered = self._relay.take(lines)
        request.notifyFinish().addErrback(lambda _: answered.cancel())
        answered.addCallback(lambda outcomes: _write(request, outcomes))
        answered.addErrback(lambda failure: failure.trap(CancelledError) and None)
        answered.addErrback(lambda failure: self._log.failure("no answer was sent", failure))


def _write(request: Request, outcomes: Sequence[Outcome]) -> None:
    body = "".join(f"{json.dumps(outcome._asdict())}\n" for outcome in outcomes).encode()
    writeHead(request, 200, b"application/x-ndjson", len(body))
    request.write(body)
    request.finish()


@implementer(IPushProducer)
class SealStream:
    """
    Seals and claims for one follower, as server-sent events.
    """

    def __init__(self, request: Request, relay: Relay) -> None:
        self._request = request
        self._relay = relay
        self._isPaused = self._isGone = False
        request.setHeader(b"content-type", b"text/event-stream")
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(self._forget)
        request.write(b": pkdoors\n\n")  # the client knows from it that it follows
        relay.follow(self)

    def isReady(self) -> bool:
        """See L{Follower.isReady}."""
        return not (self._isPaused or self._isGone)

    def send(self, kind: str, fields: Fields) -> None:
        """See L{Follower.send}."""
        self._request.write(f"event: {kind}\ndata: {json.dumps(fields)}\n\n".encode())

    def drop(self) -> None:
        """See L{Follower.drop}."""
        self._isGone = True
        transport: Any = self._request.channel.transport
        transport.abortConnection()

    def _forget(self, _: object) -> None:
        self._isGone = True
        self._relay.leave(self)
        breakCircle(self._request)

    def pauseProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = True

    def resumeProducing(self) -> None:
        """See L{IPushProducer}."""
        self._isPaused = False
        self._relay.proceed(self)

    def stopProducing(self) -> None:
        """See L{twisted.internet.interfaces.IProducer}."""
        self._isPaused = True
