"""What the admin interface answers: docs/admin.md describes all of it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site

from pkdoors.admin._channel import PATIENCE, AdminChannel, AdminRequest
from pkdoors.admin._eventstream import Streams
from pkdoors.admin._interface import AdminOperations, Json
from pkdoors.admin._metrics import CONTENT_TYPE, exposition, loadFormat
from pkdoors.admin._requests import questionOf, statusOf
from pkdoors.admin._responses import Leaf, encoded, write, writeHead
from pkdoors.admin._sending import Senders
from pkdoors.errors import PkdoorsError
from pkdoors.util.sharing import Sharing
from pkdoors.util.turns import Turns

Answer = Json | Awaitable[Json]

REQUESTS = 4
"""Requests that are begun in one turn of the reactor: a third of a millisecond each."""

SLICES = 2
"""Slices of answers that are written in one turn: a millisecond each. They have turns of their own:
many may wait for an answer, and it does not wait for those who come."""


class Answering(Leaf):
    """
    Answers one path with JSON. All who ask at the same time for the same, which changes nothing, or
    for a reload, share one answer.

    @param works: what answers each method, and which arguments it takes.
    """

    _log = Logger()

    def __init__(
        self,
        works: dict[str, tuple[Callable[..., Answer], tuple[str, ...]]],
        turns: Turns,
        senders: Senders,
    ) -> None:
        super().__init__()
        self._works = works
        self._turns = turns
        self._senders = senders
        self._sharing = Sharing(turns)
        self.methods = tuple(works)
        self.reading = tuple(each for each in works if each == "POST" and works[each][1])

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        asked = Deferred.fromCoroutine(self._answer(request, method))
        asked.addErrback(self._failed)

    async def _answer(self, request: Request, method: str) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            status, answer = 200, await self._find(request, method)
        except PkdoorsError as error:
            status, answer = statusOf(error, request.path), _error(str(error))
        except Exception:  # a mistake of ours must not leave anybody waiting
            self._log.failure("a request to the admin socket went wrong")
            status, answer = 500, _error("that went wrong; the daemon's log says more")
        if not gone:
            writeHead(request, status, b"application/json", len(answer))
            self._senders.send(request, answer)

    async def _find(self, request: Request, method: str) -> bytes:
        work, allowed = self._works[method]
        question = questionOf(request, allowed)

        async def make() -> bytes:
            answer = work(**question)
            return await encoded(answer if isinstance(answer, dict) else await answer, self._turns)

        if method == "GET" or not allowed:
            return await self._sharing.get((method, *sorted(question.items())), make)
        return await make()

    def _failed(self, failure: Any) -> None:
        self._log.failure("an answer could not be sent", failure)


def _error(sentence: str) -> bytes:
    return json.dumps({"error": sentence}).encode() + b"\n"


class Unknown(Resource):
    """Answers all paths that there are not."""

    isLeaf = True

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self._paths = paths

    def render(self, request: Request) -> int:
        """Say which there are."""
        asked = request.path.decode("utf-8", "replace")[:100]
        paths = ", ".join(self._paths)
        write(request, 404, {"error": f"there is no {asked!r}: there are {paths}"})
        return NOT_DONE_YET


class Metrics(Leaf):
    """Answers with what Prometheus reads."""

    _log = Logger()

    def __init__(
        self, reactor: Any, operations: AdminOperations, turns: Turns, senders: Senders
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._isLoaded = False
        self._operations = operations
        self._sharing = Sharing(turns)
        self._senders = senders

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def send(answer: bytes) -> None:
            if not gone:
                writeHead(request, 200, CONTENT_TYPE.encode(), len(answer))
                self._senders.send(request, answer)

        made = self._sharing.get("metrics", self._make).addCallback(send)
        made.addErrback(lambda failure: self._log.failure("no metrics were sent", failure))

    async def _make(self) -> bytes:
        if not self._isLoaded:
            pool = self._reactor.getThreadPool()
            await deferToThreadPool(self._reactor, pool, loadFormat)
            self._isLoaded = True
        return exposition(self._operations.state(), self._operations.counters)


class Root(Resource):
    """Finds what answers a path."""

    def __init__(self, reactor: Any, operations: AdminOperations, turns: Turns) -> None:
        super().__init__()
        chosen, senders = ("door", "source"), Senders()

        def answering(**works: tuple[Callable[..., Answer], tuple[str, ...]]) -> Answering:
            return Answering(works, turns, senders)

        self._resources: dict[str, IResource] = {
            "status": answering(GET=(operations.status, ())),
            "openings": answering(
                GET=(operations.openings, chosen),
                POST=(operations.open, (*chosen, "seconds")),
                DELETE=(operations.close, chosen),
            ),
            "reload": answering(POST=(operations.reload, ())),
            "events": Streams(operations.subscribe),
            "metrics": Metrics(reactor, operations, turns, senders),
        }
        self._opening = answering(DELETE=(operations.close, chosen))

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See L{Resource.getChild}."""
        rest: list[bytes] = request.postpath  # type: ignore[attr-defined]
        name = path.decode("utf-8", "replace")
        if name == "openings" and len(rest) == 1 and rest[0]:
            return self._opening
        if name in self._resources and not rest:
            return self._resources[name]
        return Unknown([f"/{each}" for each in self._resources])


class QuietSite(Site):
    """
    A site that keeps no log of its own.

    @ivar turns: gives each request its turn. See L{REQUESTS}.
    """

    protocol = AdminChannel  # type: ignore[assignment]
    requestFactory = AdminRequest

    def __init__(self, reactor: Any, operations: AdminOperations) -> None:
        self.turns = Turns(reactor, REQUESTS)
        root = Root(reactor, operations, Turns(reactor, SLICES))
        super().__init__(root, timeout=PATIENCE, reactor=reactor, parsePOSTFormSubmission=False)
        self.displayTracebacks = False

    def log(self, request: Request) -> None:
        """What the operator does is told as events."""


def makeSite(reactor: Any, operations: AdminOperations) -> Site:
    """The whole interface."""
    return QuietSite(reactor, operations)
