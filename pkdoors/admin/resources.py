"""What the admin interface answers: docs/admin.md describes all of it."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site

from pkdoors.admin.answers import Leaf, write
from pkdoors.admin.asking import questionOf, statusOf
from pkdoors.admin.channel import AdminChannel
from pkdoors.admin.metrics import CONTENT_TYPE, exposition
from pkdoors.admin.stream import Streams
from pkdoors.errors import PkdoorsError
from pkdoors.steering import Json, Steering

Answer = Json | Awaitable[Json]


class Answering(Leaf):
    """
    Answers one path with JSON.

    @param methods: what answers each method, and which arguments it takes.
    """

    _log = Logger()

    def __init__(self, works: dict[str, tuple[Callable[..., Answer], tuple[str, ...]]]) -> None:
        super().__init__()
        self._works = works
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
            status, answer = statusOf(error, request.path), {"error": str(error)}
        except Exception:  # a mistake of ours must not leave anybody waiting
            self._log.failure("a request to the admin socket went wrong")
            status, answer = 500, {"error": "that went wrong; the daemon's log says more"}
        if not gone:
            write(request, status, answer)

    async def _find(self, request: Request, method: str) -> Json:
        work, allowed = self._works[method]
        answer = work(**questionOf(request, allowed))
        return answer if isinstance(answer, dict) else await answer

    def _failed(self, failure: Any) -> None:
        self._log.failure("an answer could not be sent", failure)


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

    def __init__(self, steering: Steering) -> None:
        super().__init__()
        self._steering = steering

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        request.setHeader(b"content-type", CONTENT_TYPE.encode())
        request.write(exposition(self._steering.state(), self._steering.tally))
        request.finish()


class Root(Resource):
    """Finds what answers a path."""

    def __init__(self, steering: Steering) -> None:
        super().__init__()
        chosen = ("door", "source")
        self._resources: dict[str, IResource] = {
            "status": Answering({"GET": (steering.status, ())}),
            "openings": Answering(
                {
                    "GET": (steering.openings, chosen),
                    "POST": (steering.open, (*chosen, "seconds")),
                    "DELETE": (steering.close, chosen),
                }
            ),
            "reload": Answering({"POST": (steering.reload, ())}),
            "events": Streams(steering.subscribe),
            "metrics": Metrics(steering),
        }
        self._opening = Answering({"DELETE": (steering.close, chosen)})

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
    """A site that keeps no log of its own."""

    protocol = AdminChannel  # type: ignore[assignment]

    def log(self, request: Request) -> None:
        """What the operator does is told as events."""


def makeSite(reactor: Any, steering: Steering) -> Site:
    """The whole interface."""
    site = QuietSite(Root(steering), reactor=reactor, parsePOSTFormSubmission=False)
    site.displayTracebacks = False
    return site
