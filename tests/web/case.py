"""The page's HTTP server over transports in memory."""

import json
from collections.abc import Collection
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.web._checks import Checks
from pkdoors.web._presence import Presence
from pkdoors.web._site import WebSite
from pkdoors.web.sessions import Sessions
from tests.admin.case import Connection
from tests.fakes.adminside import FakeSide
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

PORT = 4711
NAME = "0123456789abcdef.localhost"
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
USER = 1000


class WebTestCase(SynchronousTestCase):
    """
    Has a server with a session.

    @ivar user: the user of this machine who connects.
    @ivar away: what was told of an absent user.
    """

    users: Collection[int] = ()

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.reactor = FakeReactor()
        self.side = FakeSide()
        self.user: int | None = USER
        self.away: list[None] = []
        self.presence = Presence(self.reactor, lambda: self.away.append(None))
        self.presence.start()
        self.sessions = Sessions()
        self.site = WebSite(
            self.reactor,
            self.side,
            self.sessions,
            self.presence,
            self.users,
            lambda port, peer: self.user,
        )
        self.site.checks = Checks(PORT, NAME)
        session = self.sessions.begin(self.sessions.makeToken().encode())
        assert session is not None
        self.key = f"Pkdoors-Key: {session.key.decode()}"
        self.cookie = f"Cookie: pkdoors-{PORT}={session.secret.decode()}"

    def connect(self) -> tuple[Any, Connection]:
        """Connect a browser."""
        channel: Any = self.site.buildProtocol(None)
        transport = Connection()
        channel.makeConnection(transport)
        return channel, transport

    def send(self, request: str, *headers: str, body: bytes = b"") -> Connection:
        """Send a request with these headers, and those that each has; return the connection."""
        channel, transport = self.connect()
        self.sendOn(channel, request, *headers, body=body)
        return transport

    def sendOn(self, channel: Any, request: str, *headers: str, body: bytes = b"") -> None:
        """Send a request on a connection."""
        lines = [f"{request} HTTP/1.1", *headers]
        for line in (f"Host: {HOST}", self.key):
            name = line.partition(":")[0].lower()
            if not any(given.lower().startswith(f"{name}:") for given in headers):
                lines.append(line)
        if body:
            lines.append(f"Content-Length: {len(body)}")
        channel.dataReceived("\r\n".join((*lines, "", "")).encode() + body)
        self.turn()

    def ask(self, request: str, *headers: str, body: bytes = b"") -> Connection:
        """Send a request of our own page, with the session."""
        return self.send(request, self.cookie, f"Origin: {ORIGIN}", *headers, body=body)

    def turn(self) -> None:
        """Give the reactor some turns."""
        for _ in range(5):
            self.reactor.advance(0)

    def statusOf(self, transport: Connection) -> int:
        """Return the status of an answer."""
        return int(transport.value().split()[1])

    def errorOf(self, transport: Connection) -> tuple[int, str]:
        """Return the status and the sentence of a refusal."""
        _, _, content = transport.value().partition(b"\r\n\r\n")
        answer = json.loads(content)
        self.assertEqual(["error"], list(answer))
        return self.statusOf(transport), answer["error"]
