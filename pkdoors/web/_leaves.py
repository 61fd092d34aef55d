"""What the page asks of the host: the daemon's answers, and those of other channels."""

from twisted.web.http import Request

from pkdoors.admin.responses import Leaf, Senders, writeJSON
from pkdoors.web._collecting import Collecting
from pkdoors.web._passage import Passage
from pkdoors.web.channels.adminside import ADMIN, IAdminSide

KEY_HEADER = b"pkdoors-key"
"""The header in which the page sends the key of its session. See L{pkdoors.web.sessions}."""
MAX_STREAMS = 4
"""Tabs of one browser that follow the events at a time. Each keeps one of the six connections that
a browser has for all of its tabs; with none left, no tab would get an answer."""

_TABS = (
    f"{MAX_STREAMS} tabs of this browser follow the events, which is the limit: close one of them, "
    "or use another browser"
)


class Passed(Leaf):
    """What the daemon answers."""

    methodsWithBody = ("POST",)

    def __init__(self, side: IAdminSide, methods: tuple[str, ...]) -> None:
        super().__init__()
        self._side = side
        self.methods = methods

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        kinds = request.requestHeaders.getRawHeaders(b"content-type", [])
        if method == "POST" and [_typeOf(kind) for kind in kinds] != [b"application/json"]:
            error = "the body's type is not accepted: send one application/json"
            writeJSON(request, 415, {"error": error})
            return
        body = b""
        if method == "POST":
            assert request.content is not None
            request.content.seek(0)
            body = request.content.read()
        self._side.open(ADMIN, Passage(request, request.uri.removeprefix(b"/api"), body))


class FollowedEvents(Passed):
    """The daemon's events, for L{MAX_STREAMS} tabs of each browser."""

    def __init__(self, side: IAdminSide) -> None:
        super().__init__(side, ("GET",))
        self._keys: list[bytes | None] = []  # of the sessions that follow, once for each tab

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        key = request.getHeader(KEY_HEADER)
        if self._keys.count(key) >= MAX_STREAMS:
            writeJSON(request, 503, {"error": _TABS})
            return
        self._keys.append(key)
        request.notifyFinish().addBoth(lambda _: self._keys.remove(key))
        super().answer(request, method)


def _typeOf(header: bytes) -> bytes:
    return header.partition(b";")[0].strip().lower()


class Asked(Leaf):
    """What a channel that sends one answer has."""

    def __init__(self, side: IAdminSide, kind: str, senders: Senders) -> None:
        super().__init__()
        self._side = side
        self._kind = kind
        self._senders = senders

    def answer(self, request: Request, method: str) -> None:
        """See L{Leaf.answer}."""
        self._side.open(self._kind, Collecting(request, self._senders))
