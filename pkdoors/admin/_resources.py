"""The paths of the admin interface, as C{docs/admin.md} describes them."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from pkdoors.admin._eventstream import Events
from pkdoors.admin._metrics import CONTENT_TYPE, formatMetrics, loadFormat
from pkdoors.admin._requests import chooseStatus, readArguments
from pkdoors.admin.channel import QuietSite
from pkdoors.admin.operations import AdminOperations
from pkdoors.admin.responses import Body, Leaf, Senders, encode, encodeShort, writeHead, writeJSON
from pkdoors.errors import PkdoorsError
from pkdoors.util.sharing import Sharing
from pkdoors.util.turns import Turns

Work = Callable[..., object]
"""An operation: it returns a record, or is a coroutine that does."""

SLICES_PER_TURN = 2
"""Slices of answers that are encoded in one turn: a millisecond each. Slices and requests have
separate turns: new requests do not delay the many clients that may wait for an answer."""


class Operation(Leaf):
    """
    Answers one path with JSON. Clients that ask for the same thing at the same time share one
    answer, if asking changes nothing or is a reload.

    @param works: for each method, the operation and the names of its arguments.
    """

    _log = Logger()

    def __init__(
        self, works: dict[str, tuple[Work, tuple[str, ...]]], turns: Turns, senders: Senders
    ) -> None:
        super().__init__()
        self._works = works
        self._turns = turns
        self._senders = senders
        self._sharing = Sharing(turns)
        self.methods = tuple(works)
        self.methodsWithBody = ("POST",) if "POST" in works and works["POST"][1] else ()

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        answered = Deferred.fromCoroutine(self._answer(request, method))
        answered.addErrback(lambda failure: self._log.failure("no answer was sent", failure))

    async def _answer(self, request: Request, method: str) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            status, answer = 200, await self._find(request, method)
        except PkdoorsError as error:
            status, answer = chooseStatus(error, request.path), encodeShort({"error": str(error)})
        except Exception:  # a fault of ours must not leave a client waiting
            self._log.failure("a request to the admin socket failed")
            status, answer = 500, encodeShort({"error": "internal error: see the daemon's log"})
        if not gone:
            writeHead(request, status, b"application/json", len(answer))
            self._senders.send(request, answer)

    async def _find(self, request: Request, method: str) -> Body:
        work, allowed = self._works[method]
        arguments = readArguments(request, allowed)

        async def make() -> Body:
            answer = work(**arguments)
            return await encode(
                await answer if isinstance(answer, Awaitable) else answer, self._turns
            )

        if method == "GET" or not allowed:
            return await self._sharing.get((method, *sorted(arguments.items())), make)
        return await make()


class UnknownPath(Resource):
    """Answers all other paths."""

    isLeaf = True

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self._paths = paths

    def render(self, request: Request) -> int:
        """Refuse it, and name the paths that exist."""
        path = request.path.decode("utf-8", "replace")[:100]
        known = ", ".join(self._paths)
        writeJSON(request, 404, {"error": f"there is no {path!r}: the paths are {known}"})
        return NOT_DONE_YET


class Metrics(Leaf):
    """Answers with the metrics for Prometheus."""

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

        def send(answer: Body) -> None:
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
        return formatMetrics(self._operations.state(), self._operations.counters)


class Root(Resource):
    """Finds the resource for a path."""

    def __init__(self, reactor: Any, operations: AdminOperations, turns: Turns) -> None:
        super().__init__()
        senders, named = Senders(), ("door", "source")
        selection = (*named, "within", "after", "limit")

        def operation(**works: tuple[Work, tuple[str, ...]]) -> Operation:
            return Operation(works, turns, senders)

        self._resources: dict[str, IResource] = {
            "status": operation(GET=(operations.status, selection)),
            "openings": operation(
                GET=(operations.openings, selection),
                POST=(operations.open, (*named, "seconds")),
                DELETE=(operations.close, (*named, "limit")),
            ),
            "reload": operation(POST=(operations.reload, ())),
            "events": Events(operations.follow, operations.history, ("last", "after")),
            "rates": operation(GET=(operations.rates, ())),
            "metrics": Metrics(reactor, operations, turns, senders),
        }
        self._oneOpening = operation(DELETE=(operations.close, (*named, "limit")))

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See L{Resource.getChild}."""
        rest: list[bytes] = request.postpath  # type: ignore[attr-defined]
        name = path.decode("utf-8", "replace")
        isNetwork = len(rest) == 2 and rest[1].isdigit()  # the address, and the length
        if name == "openings" and rest and rest[0] and (len(rest) == 1 or isNetwork):
            return self._oneOpening
        if name in self._resources and not rest:
            return self._resources[name]
        return UnknownPath([f"/{known}" for known in self._resources])


def makeSite(reactor: Any, operations: AdminOperations) -> QuietSite:
    """Return the whole interface."""
    return QuietSite(reactor, Root(reactor, operations, Turns(reactor, SLICES_PER_TURN)))
