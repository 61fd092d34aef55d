"""The operator's page, as other programs and pages of the same machine reach it."""

import json
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pkdoors.web._checks import Checks
from pkdoors.web._presence import Presence
from pkdoors.web._site import WebSite
from pkdoors.web.channels.adminside import IAdminSide
from pkdoors.web.sessions import Sessions
from tests.admin.case import Connection
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

PORT = 43210
NAME = "0123456789abcdef.localhost"
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
PATHS = ("status", "openings", "events", "rates", "about", "check", "fleet")


class Daemon(StringTransport):
    """
    The daemon's end of a channel, which notes what it is asked.

    @ivar protocol: our end.
    @ivar isGone: whether we have left.
    """

    def __init__(self, protocol: IProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.isGone = False

    def abortConnection(self) -> None:
        """See L{ITCPTransport}."""
        self.isGone = True

    loseConnection = abortConnection


@implementer(IAdminSide)
class FakeSide:
    """
    A host that answers nothing by itself.

    @ivar channels: that were opened: the kind, and the daemon's end.
    """

    def __init__(self) -> None:
        self.ended: Deferred[str] = Deferred()
        self.channels: list[tuple[str, Daemon]] = []

    def begin(self) -> Deferred[None]:
        """See L{IAdminSide.begin}."""
        return succeed(None)

    def open(self, kind: str, protocol: IProtocol) -> None:
        """See L{IAdminSide.open}."""
        daemon = Daemon(protocol)
        self.channels.append((kind, daemon))
        protocol.makeConnection(daemon)

    def stop(self) -> Deferred[None]:
        """See L{IAdminSide.stop}."""
        return succeed(None)


class AttackCase(SynchronousTestCase):
    """Has a page in whose browser a session has begun."""

    def setUp(self) -> None:
        """Begin a session."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.side = FakeSide()
        self.sessions = Sessions()
        self.ends = 0
        self.presence = Presence(self.reactor, self.onAway)
        self.presence.start()
        self.site = WebSite(self.reactor, self.side, self.sessions, self.presence)
        self.site.checks = Checks(PORT, NAME)
        self.session = self.beginSession()

    def onAway(self) -> None:
        """Nobody looks at the page any more."""
        self.ends += 1

    def beginSession(self) -> tuple[str, ...]:
        """Return the headers that a session's requests have."""
        token = self.sessions.makeToken()
        head, _, body = self.post("/session", token, "application/octet-stream").partition(
            "\r\n\r\n"
        )
        (cookie,) = (line for line in head.splitlines() if line.lower().startswith("set-cookie:"))
        pair = cookie.partition(":")[2].partition(";")[0].strip()
        return f"Cookie: {pair}", f"Pkdoors-Key: {json.loads(body)['key']}"

    def connect(self) -> tuple[Any, Connection]:
        """Connect a client."""
        channel: Any = self.site.buildProtocol(None)
        transport = Connection()
        channel.makeConnection(transport)
        return channel, transport

    def turn(self) -> None:
        """Give the reactor some turns."""
        for _ in range(10):
            self.reactor.advance(0)

    def raw(self, request: bytes) -> str:
        """Send bytes, and return the answer."""
        channel, transport = self.connect()
        channel.dataReceived(request)
        self.turn()
        return str(transport.value().decode())

    def send(self, request: str, *headers: str, body: str = "", host: str = HOST) -> str:
        """Send a request with these headers, and return the answer."""
        lines = [f"{request} HTTP/1.1", *([f"Host: {host}"] if host else []), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join((*lines, "", body)).encode())

    def post(self, path: str, body: str, kind: str = "application/json") -> str:
        """Send a request as the page does, before it has a session."""
        return self.send(f"POST {path}", f"Origin: {ORIGIN}", f"Content-Type: {kind}", body=body)

    def own(self, request: str, *headers: str, body: str = "") -> str:
        """Send a request as the page does."""
        kind = ("Content-Type: application/json",) if body else ()
        return self.send(request, *self.session, f"Origin: {ORIGIN}", *kind, *headers, body=body)

    def assertUntouched(self, answer: str, *statuses: int) -> None:
        """Assert that a request was refused with a sentence, and that no host was asked."""
        self.assertEqual([], self.side.channels, answer)
        self.assertIn(int(answer.split()[1]), statuses, answer)
        self.assertIn('{"error": "', answer)

    def asked(self) -> list[str]:
        """Return what the daemon was asked, in each channel."""
        return [daemon.value().decode() for _, daemon in self.side.channels]
