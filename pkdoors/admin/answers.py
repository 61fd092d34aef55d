"""Answers of the admin interface."""

import json

from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from pkdoors.steering import Json


def write(request: Request, status: int, answer: Json) -> None:
    """Answer with JSON, and be done."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    request.write(json.dumps(answer).encode() + b"\n")
    request.finish()


class Leaf(Resource):
    """
    Answers one path.

    @ivar methods: the methods of HTTP that it takes.
    @ivar reading: those of them whose body it reads. A body of others is refused: who wrote it
        meant something by it.
    """

    isLeaf = True
    methods: tuple[str, ...] = ("GET",)
    reading: tuple[str, ...] = ()

    def render(self, request: Request) -> int:
        """Answer, now or later; a method, or a body, that there is not, with a sentence."""
        method = request.method.decode("ascii", "replace")
        if method not in self.methods:
            allowed = ", ".join(self.methods)
            request.setHeader(b"allow", allowed.encode())
            error = f"{method[:20]} is not for this: {allowed} is"
            write(request, 405, {"error": error})
        elif method not in self.reading and _hasBody(request):
            error = f"no body is read with {method} here: say it in the path, or after a '?'"
            write(request, 400, {"error": error})
        else:
            self.answer(request, method)
        return NOT_DONE_YET

    def answer(self, request: Request, method: str) -> None:
        """Answer one of L{methods}."""


def _hasBody(request: Request) -> bool:
    assert request.content is not None
    request.content.seek(0)
    return bool(request.content.read(1))
