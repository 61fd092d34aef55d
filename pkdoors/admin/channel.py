"""Answers what is no HTTP, as all else is answered: with a sentence."""

import json
from typing import Any

from twisted.internet.interfaces import ITransport
from twisted.web.http import HTTPChannel
from zope.interface import directlyProvides, providedBy

_BARE = b"HTTP/1.1 400 Bad Request\r\n\r\n"
"""What Twisted says to what it cannot read, before it hangs up."""

_SENTENCE = "this is no HTTP, or its head is too long: ask with `pkdoors`, or `curl --unix-socket`"

_BODY = json.dumps({"error": _SENTENCE}).encode() + b"\n"

_WHOLE = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)


class AdminChannel(HTTPChannel):
    """
    HTTP over one connection. Twisted gives no say in what it answers to bad requests, but what it
    writes passes here.
    """

    def makeConnection(self, transport: ITransport) -> None:
        """See L{twisted.internet.interfaces.IProtocol}."""
        super().makeConnection(_Speaking(transport))

    def lineLengthExceeded(self, line: bytes) -> None:
        """See L{twisted.protocols.basic.LineReceiver}."""
        assert self.transport is not None
        self.transport.write(_WHOLE)
        super().lineLengthExceeded(line)


class _Speaking:
    """A transport that says why it ends."""

    def __init__(self, transport: ITransport) -> None:
        self._transport = transport
        directlyProvides(self, providedBy(transport))

    def write(self, data: bytes) -> None:
        self._transport.write(_WHOLE if data == _BARE else data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
