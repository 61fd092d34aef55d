"""Answers of the admin interface."""

import json
from collections.abc import Iterator
from itertools import islice

from twisted.web.http import RESPONSES, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from pkdoors.admin._browsers import SAFE_HEADERS
from pkdoors.admin._interface import Json
from pkdoors.util.turns import Turns

SLICE = 50
"""Items of a list that are written in one turn: about a millisecond."""


def write(request: Request, status: int, answer: Json) -> None:
    """Answer with JSON, which is short, and be done."""
    body = json.dumps(answer).encode() + b"\n"
    writeHead(request, status, b"application/json", len(body))
    request.write(body)
    request.finish()


def writeHead(request: Request, status: int, kind: bytes, length: int) -> None:
    """Say what comes."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", kind)
    request.setHeader(b"content-length", b"%d" % length)


def wholeRefusal(status: int, sentence: str) -> bytes:
    """A refusal as it is sent, head and body, to end a connection with."""
    body = json.dumps({"error": sentence}).encode() + b"\n"
    headers = (
        *SAFE_HEADERS,
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
    )
    lines = (b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, RESPONSES[status], b"".join(lines), body)


async def encoded(answer: Json, turns: Turns) -> bytes:
    """
    Write an answer as JSON, in a line. A list that an iterator makes is made and written some items
    a turn, so that knocks are heard meanwhile however long it is.
    """
    parts = ["{"]
    for key, value in answer.items():
        parts.append(f"{', ' if len(parts) > 1 else ''}{json.dumps(key)}: ")
        if isinstance(value, Iterator):
            parts.append("[")
            while items := await _items(value, turns):
                parts += (", " if parts[-1] != "[" else "", items)
            parts.append("]")
        else:
            parts.append(json.dumps(value))
    return "".join((*parts, "}\n")).encode()


async def _items(values: Iterator[object], turns: Turns) -> str:
    """The next items, in one turn; empty where there are no more."""
    await turns.next()
    return ", ".join(json.dumps(each) for each in islice(values, SLICE))


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
