"""Asks a host one question, for a page in Cockpit: there nothing of ours goes on running."""

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from pkdoors.errors import PkdoorsError
from pkdoors.web._files import PAGE
from pkdoors.web.channels.adminside import ADMIN, IAdminSide


async def ask(side: IAdminSide, kind: str) -> bytes:
    """
    Return the JSON of a channel. For C{admin}, that is where the daemon's socket is:
    C{{"admin": "/run/pkdoors/admin.sock"}}.

    @param kind: see L{pkdoors.web.adminside.KINDS}.
    @raise PkdoorsError: there is no answer; if the daemon does not run, the sentence is that of the
        other commands.
    """
    question = _Place() if kind == ADMIN else _Question()
    side.open(kind, question)
    return await question.answer


def findFolder() -> Path:
    """Return the folder of the page, which is a package for Cockpit."""
    return PAGE


class _Question(Protocol):
    """Takes in one answer."""

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self._heard = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        self._heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        if self.answer.called:
            return
        if reason.check(PkdoorsError):
            self.answer.errback(reason)
        else:
            self.answer.callback(bytes(self._heard))


class _Place(_Question):
    """Finds out where the other end of a connection is, and leaves it."""

    def connectionMade(self) -> None:
        """See L{Protocol}."""
        transport: Any = self.transport
        path = transport.getPeer().name
        path = path.decode() if isinstance(path, bytes) else path
        self.answer.callback(json.dumps({"admin": path}).encode() + b"\n")
        transport.loseConnection()
