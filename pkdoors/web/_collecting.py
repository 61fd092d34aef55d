"""Answers a request of the page with what a channel sends."""

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request

from pkdoors.admin.responses import Senders, writeHead, writeJSON
from pkdoors.errors import PkdoorsError

MAX_ANSWER = 1 << 22
"""Bytes: as much as L{pkdoors.web.channels._program} lets a command print."""


class Collecting(Protocol):
    """
    Collects the whole answer, and sends it.

    @param senders: the answers that are on their way.
    """

    def __init__(self, request: Request, senders: Senders) -> None:
        self._request = request
        self._senders = senders
        self._answer = bytearray()
        self._isOver = False
        request.notifyFinish().addErrback(self._leave)

    def connectionMade(self) -> None:
        """See L{Protocol}."""
        if self._isOver:
            self.transport.abortConnection()  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        self._answer += data
        if len(self._answer) > MAX_ANSWER:
            self._refuse(502, "the answer is too long: use the command in a terminal")
            self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        if self._isOver:
            return
        if reason.check(ConnectionDone):
            self._isOver = True
            writeHead(self._request, 200, b"application/json", len(self._answer))
            self._senders.send(self._request, self._answer)
        elif reason.check(PkdoorsError):
            self._refuse(503, str(reason.value))
        else:
            self._refuse(503, "the answer was cut off: try again")

    def _refuse(self, status: int, sentence: str) -> None:
        if not self._isOver:
            self._isOver = True
            writeJSON(self._request, status, {"error": sentence})

    def _leave(self, _: object) -> None:
        if not self._isOver:
            self._isOver = True
            if self.transport is not None:
                self.transport.abortConnection()  # type: ignore[attr-defined]
