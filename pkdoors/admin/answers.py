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
    """

    isLeaf = True
    methods: tuple[str, ...] = ("GET",)

    def render(self, request: Request) -> int:
        """Answer, now or later; a method that there is not, with a sentence."""
        method = request.method.decode("ascii", "replace")
        if method in self.methods:
            self.answer(request, method)
        else:
            allowed = ", ".join(self.methods)
            request.setHeader(b"allow", allowed.encode())
            error = f"{method[:20]} is not for this: {allowed} is"
            write(request, 405, {"error": error})
        return NOT_DONE_YET

    def answer(self, request: Request, method: str) -> None:
        """Answer one of L{methods}."""
