"""A daemon, or another host, that answers to do harm; and clients that waste memory or time."""

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from pkdoors.web._presence import PATIENCE
from pkdoors.web._site import MAX_CONNECTIONS
from tests.admin.case import Connection, goAway
from tests.web.attackcase import HOST, AttackCase, Daemon

HEAD = "HTTP/1.1 200 OK\r\n"


class AnswerTests(AttackCase):
    """What is passed to the browser, and what is not."""

    def answer(self, *parts: str, path: str = "status", isEnd: bool = True) -> str:
        """Have the daemon answer with these bytes, and return what the browser gets."""
        channel, transport = self.connect()
        lines = (f"GET /api/{path} HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
        channel.dataReceived("\r\n".join(lines).encode())
        self.turn()
        _, daemon = self.side.channels[-1]
        for part in parts:
            daemon.protocol.dataReceived(part.encode("latin-1"))
        if isEnd and not daemon.isGone:
            daemon.protocol.connectionLost(Failure(ConnectionDone()))
        self.turn()
        return str(transport.value().decode("latin-1")) + "ABORTED" * transport.aborts

    def test_passed(self) -> None:
        """An ordinary answer is passed, with its status."""
        text = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        self.assertIn(" 200 ", self.answer(HEAD + text))
        for status in ("400 Bad", "404 Not", "409 No", "503 No"):
            self.assertIn(f" {status[:3]} ", self.answer(f"HTTP/1.1 {status}\r\n{text}"))

    def test_types(self) -> None:
        """
        Nothing that a browser would show, or run, is passed: a script from another host would have
        our page's origin, on the operator's own machine.
        """
        for kind in (
            "text/html",
            "text/javascript",
            "application/javascript; charset=utf-8",
            "image/svg+xml",
            "text/css",
            "application/xhtml+xml",
            "text/event-stream-x",
            "multipart/x-mixed-replace",
            "application/jsonp",
            "",
        ):
            text = f"{HEAD}Content-Type: {kind}\r\nContent-Length: 9\r\n\r\nalert(1);"
            answer = self.answer(text)
            self.assertIn(" 502 ", answer.partition("\r\n")[0], kind)
            self.assertNotIn("alert", answer)
            self.assertIn("content-type: application/json", answer.lower())

    def test_headers(self) -> None:
        """Of the daemon's headers only type and length are passed."""
        headers = "Set-Cookie: pkdoors-43210=x\r\nLocation: http://evil.example/\r\nX-Evil: 1\r\n"
        headers += 'Access-Control-Allow-Origin: *\r\nRefresh: 0\r\nClear-Site-Data: "*"\r\n'
        headers += "Content-Security-Policy: default-src *\r\nService-Worker-Allowed: /\r\n"
        kind = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        answer = self.answer(HEAD + headers + kind).lower()
        for name in headers.splitlines():
            if not name.startswith("Content-S"):
                self.assertNotIn(name.partition(":")[0].lower(), answer)
        self.assertNotIn("default-src *", answer)

    def test_statuses(self) -> None:
        """A status that would lead the browser elsewhere, or ends the session, is not passed."""
        text = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        for line in (
            "HTTP/1.1 301 Moved",
            "HTTP/1.1 304 Not Modified",
            "HTTP/1.1 204 No Content",
            "HTTP/1.1 206 Partial",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 101 Switching",
            "HTTP/1.1 401 Unauthorized",
            "HTTP/1.1 999 x",
            "HTTP/2 200",
            "ICY 200 OK",
            "SSH-2.0-OpenSSH_9.2",
            "",
        ):
            self.assertIn(" 502 ", self.answer(f"{line}\r\n{text}").partition("\r\n")[0], line)

    def test_endless(self) -> None:
        """An answer without an end, or of unknown length, does not fill the browser's memory."""
        for length in ("", "Content-Length: 99999999999\r\n", "Content-Length: x\r\n"):
            text = f"{HEAD}Content-Type: application/json\r\n{length}\r\n"
            answer = self.answer(text, "x" * 100_000, isEnd=False)
            self.assertIn(" 502 ", answer.partition("\r\n")[0], length)
            self.assertTrue(self.side.channels[-1][1].isGone)

    def test_endlessHead(self) -> None:
        """Nor does a head without an end fill ours."""
        answer = self.answer(HEAD, *["X: y\r\n" * 1000] * 9, isEnd=False)
        self.assertIn(" 502 ", answer)
        self.assertTrue(self.side.channels[-1][1].isGone)

    def test_cut(self) -> None:
        """A browser does not take an answer that was cut off for a whole one."""
        text = f"{HEAD}Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{{}}"
        self.assertTrue(self.answer(text).endswith("ABORTED"))

    def test_more(self) -> None:
        """What comes after the end of an answer is not passed."""
        text = f"{HEAD}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        evil = "HTTP/1.1 200 OK\r\nSet-Cookie: x=y\r\n\r\n<script>"
        for parts in ((text + evil,), (text, evil)):
            self.assertNotIn("<script>", self.answer(*parts))

    def test_slow(self) -> None:
        """While the browser does not read, we read nothing from the daemon, which has its bound."""
        channel, transport = self.connect()
        lines = ("GET /api/events HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
        channel.dataReceived("\r\n".join(lines).encode())
        self.turn()
        _, daemon = self.side.channels[-1]
        daemon.protocol.dataReceived(f"{HEAD}Content-Type: text/event-stream\r\n\r\n".encode())
        self.assertEqual("producing", daemon.producerState)
        transport.isFull = True
        daemon.protocol.dataReceived(b": x\n\n")
        self.assertEqual("paused", daemon.producerState)
        transport.isFull = False
        transport.readAgain()
        self.assertEqual("producing", daemon.producerState)
        goAway(channel)
        self.assertTrue(daemon.isGone)


class WasteTests(AttackCase):
    """Other users of the machine who open connections."""

    def test_flood(self) -> None:
        """Connections without a session take none from the page, and are bounded."""
        page = self.follow()
        strangers = [self.connect() for _ in range(500)]
        open_ = [transport for _, transport in strangers if not transport.aborts]
        self.assertEqual(MAX_CONNECTIONS - 1, len(open_))
        self.assertEqual(0, page.aborts)
        for channel, transport in strangers:
            if transport.aborts:
                goAway(channel)
        self.own("GET /api/status")
        self.assertEqual(2, len(self.side.channels))

    def follow(self) -> Connection:
        """Have the page follow the events."""
        channel, transport = self.connect()
        lines = ("GET /api/events HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
        channel.dataReceived("\r\n".join(lines).encode())
        self.turn()
        self.assertEqual(1, len(self.side.channels))
        return transport

    def test_silent(self) -> None:
        """A connection that sends nothing, or a byte now and then, ends."""
        channel, transport = self.connect()
        for letter in b"GET / HTTP/1.1\r\nHo":
            channel.dataReceived(bytes([letter]))
            self.reactor.advance(2.0)
        self.assertEqual(1, transport.aborts)

    def test_presence(self) -> None:
        """Nobody without a session keeps the page's server alive, or ends it."""
        self.reactor.advance(PATIENCE - 1)
        self.assertEqual(0, self.ends)
        for headers in ((), ("Cookie: x=y",), self.session[:1]):
            self.send("GET /api/status", *headers)
            self.send("GET /")
        self.send("GET /api/status", *self.session, "Origin: null")
        self.reactor.advance(1)
        self.assertEqual(1, self.ends)

    def test_present(self) -> None:
        """A page that follows keeps it alive, until it goes, however it goes."""
        channel, _ = self.connect()
        lines = ("GET /api/events HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
        channel.dataReceived("\r\n".join(lines).encode())
        self.turn()
        self.reactor.advance(10 * PATIENCE)
        self.assertEqual(0, self.ends)
        goAway(channel)
        self.reactor.advance(PATIENCE - 1)
        self.assertEqual(0, self.ends)
        self.reactor.advance(1)
        self.assertEqual(1, self.ends)

    def test_goneAtOnce(self) -> None:
        """A request whose browser goes before its turn does not keep it alive for ever."""
        for _ in range(20):
            channel, _ = self.connect()
            lines = ("GET /api/events HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
            channel.dataReceived("\r\n".join(lines).encode())
            goAway(channel)
        self.turn()
        self.reactor.advance(PATIENCE)
        self.assertEqual((1, 0), (self.ends, self.presence._count))
        self.assertEqual([], [line for line in self.log.lines() if "Traceback" in line])

    def test_gone(self) -> None:
        """If the browser goes, the daemon's connection goes, also before it has answered."""
        channel, _ = self.connect()
        lines = ("GET /api/status HTTP/1.1", f"Host: {HOST}", *self.session, "", "")
        channel.dataReceived("\r\n".join(lines).encode())
        self.turn()
        daemon: Daemon = self.side.channels[-1][1]
        goAway(channel)
        self.assertTrue(daemon.isGone)
