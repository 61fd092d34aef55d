"""Tests of L{pkdoors.web._site}: files, sessions and connections."""

import json
from pathlib import Path

from pkdoors.web import _site
from pkdoors.web._files import readFiles
from pkdoors.web._leaves import MAX_STREAMS
from pkdoors.web._presence import PATIENCE
from pkdoors.web._site import MAX_CONNECTIONS
from tests.web.case import ORIGIN, PORT, USER, WebTestCase


class SessionTests(WebTestCase):
    """How a session begins."""

    def begin(self, token: str, *headers: str) -> tuple[int, str]:
        """Hand in a token; return the status and the whole answer."""
        transport = self.send("POST /session", f"Origin: {ORIGIN}", *headers, body=token.encode())
        return self.statusOf(transport), transport.value().decode()

    def test_begin(self) -> None:
        """The token is swapped for a cookie that scripts and other pages cannot use."""
        status, answer = self.begin(self.sessions.makeToken())
        self.assertEqual(200, status)
        key = json.loads(answer.partition("\r\n\r\n")[2])["key"]
        (line,) = (each for each in answer.split("\r\n") if each.lower().startswith("set-cookie"))
        pair, *attributes = line.partition(": ")[2].split("; ")
        self.assertEqual(["HttpOnly", "SameSite=Strict", "Path=/"], attributes)
        self.assertTrue(pair.startswith(f"pkdoors-{PORT}="), pair)
        self.send("GET /api/status", f"Cookie: {pair}", f"Pkdoors-Key: {key}")
        self.assertEqual(1, len(self.side.channels))

    def test_types(self) -> None:
        """The body's type does not matter, since the Origin must be ours."""
        for kind in ("text/plain;charset=UTF-8", "application/json"):
            status, _ = self.begin(self.sessions.makeToken(), f"Content-Type: {kind}")
            self.assertEqual(200, status)

    def test_dead(self) -> None:
        """A token that was used, or is wrong, begins nothing and says what to do."""
        token = self.sessions.makeToken()
        self.begin(token)
        for stolen in (token, token[:-1], "", "x" * 4096, "\x00"):
            status, answer = self.begin(stolen)
            self.assertEqual(403, status)
            self.assertIn("press Enter", answer)
            self.assertNotIn("set-cookie", answer.lower())

    def test_noSession(self) -> None:
        """Without one, or with a wrong one, nothing below /api/ is answered."""
        wrong = f"Cookie: pkdoors-{PORT}=AAAAAAAAAAAAAAAAAAAAAA"
        other = self.cookie.replace(f"-{PORT}=", f"-{PORT + 1}=")
        for cookie in ((), (wrong,), (other,), ("Cookie: ",), (f"Cookie: pkdoors-{PORT}",)):
            for request in ("GET /api/status", "GET /api/events", "GET /api/check"):
                status, sentence = self.errorOf(self.send(request, *cookie))
                self.assertEqual(401, status)
                self.assertIn("press Enter", sentence)
        for request in ("POST /api/openings", "DELETE /api/openings/192.0.2.7"):
            self.assertEqual(401, self.errorOf(self.send(request, f"Origin: {ORIGIN}"))[0])
        self.assertEqual([], self.side.channels)

    def test_severalCookies(self) -> None:
        """Others can set cookies of our name for this host; they end no session."""
        toss = f"pkdoors-{PORT}=x"
        value = self.cookie.partition(" ")[2]
        for line in (f"{toss}; {value}", f"{value}; {toss}", f"a=b;{value};c"):
            self.send("GET /api/status", f"Cookie: {line}")
        self.assertEqual(3, len(self.side.channels))

    def test_key(self) -> None:
        """The cookie alone is not enough: browsers send it to every port of this machine."""
        for key in ("", self.cookie.rpartition("=")[2], self.key + "x"):
            answer = self.ask("GET /api/status", f"Pkdoors-Key: {key}")
            self.assertEqual(401, self.errorOf(answer)[0])
        self.assertEqual([], self.side.channels)

    def test_post(self) -> None:
        """A session cannot begin in another way, with which a token might be kept somewhere."""
        token = self.sessions.makeToken()
        self.assertEqual(405, self.errorOf(self.ask("GET /session"))[0])
        self.assertEqual(404, self.errorOf(self.ask(f"GET /{token}"))[0])
        self.assertEqual(200, self.begin(token)[0])


class UsersTests(WebTestCase):
    """If only some users may begin a session."""

    users = (USER, 0)

    def test_others(self) -> None:
        """The link is no use to another user, who has seen it on a command line."""
        token = self.sessions.makeToken()
        for user in (USER + 1, None):
            self.user = user
            transport = self.send("POST /session", f"Origin: {ORIGIN}", body=token.encode())
            status, sentence = self.errorOf(transport)
            self.assertEqual(403, status)
            self.assertIn("another user", sentence)
        self.user = USER
        transport = self.send("POST /session", f"Origin: {ORIGIN}", body=token.encode())
        self.assertEqual(200, self.statusOf(transport))


class FilesTests(WebTestCase):
    """The files of the page."""

    def setUp(self) -> None:
        """Have a page."""
        self.folder = Path(self.mktemp())
        (self.folder / "view").mkdir(parents=True)
        (self.folder / "index.html").write_text("<p>page</p>")
        (self.folder / "view" / "a.js").write_text("a")
        (self.folder / "secret.key").write_text("key")
        (self.folder.parent / "outside.js").write_text("outside")
        self.patch(_site, "readFiles", lambda: readFiles(self.folder))
        super().setUp()

    def test_served(self) -> None:
        """They need no session: they hold no secret."""
        for path, kind, content in (
            ("/", b"text/html; charset=utf-8", b"<p>page</p>"),
            ("/index.html", b"text/html; charset=utf-8", b"<p>page</p>"),
            ("/view/a.js", b"text/javascript; charset=utf-8", b"a"),
            ("/view/a.js?x=1", b"text/javascript; charset=utf-8", b"a"),
        ):
            head, _, body = self.send(f"GET {path}").value().partition(b"\r\n\r\n")
            self.assertEqual((b"200", content), (head.split()[1], body), path)
            self.assertIn(b"content-type: " + kind, head.lower())

    def test_others(self) -> None:
        """Nothing else is, inside or outside the folder."""
        for path in (
            "/secret.key",
            "/view",
            "/view/",
            "/../outside.js",
            "/view/../../outside.js",
            "/%2e%2e/outside.js",
            "/..%2foutside.js",
            "//index.html",
            "/etc/passwd",
            "/index.html/",
            "/index.html%00",
        ):
            self.assertEqual(404, self.errorOf(self.send(f"GET {path}"))[0], path)

    def test_methods(self) -> None:
        """They can only be read."""
        for method in ("POST", "PUT", "DELETE", "HEAD"):
            self.assertEqual(405, self.statusOf(self.ask(f"{method} /index.html")))

    def test_ours(self) -> None:
        """The page that comes with pkdoors has a beginning."""
        self.assertIn("", readFiles())


class ConnectionsTests(WebTestCase):
    """How many connections there may be."""

    def test_unknown(self) -> None:
        """Those without a session give way, the oldest first; a session's never does."""
        channel, ours = self.connect()
        self.sendOn(channel, "GET /api/events", self.cookie)
        others = [self.connect() for _ in range(MAX_CONNECTIONS + 5)]
        self.assertEqual(0, ours.aborts)
        self.assertEqual([1] * 6, [transport.aborts for _, transport in others[:6]])
        self.assertEqual({0}, {transport.aborts for _, transport in others[6:]})
        self.ask("GET /api/status")
        self.assertEqual(2, len(self.side.channels))

    def test_all(self) -> None:
        """If all have a session, a new one is dropped."""
        for _ in range(MAX_CONNECTIONS):
            self.ask("GET /api/status")
        _, transport = self.connect()
        self.assertEqual(1, transport.aborts)
        self.assertEqual(MAX_CONNECTIONS, len(self.side.channels))

    def test_tabs(self) -> None:
        """
        Some tabs of a browser follow the events. The others are told why they do not, until one of
        those has gone: a browser has six connections for all of its tabs.
        """
        followers = [self.ask("GET /api/events") for _ in range(MAX_STREAMS)]
        self.assertLess(MAX_STREAMS, 6)
        status, sentence = self.errorOf(self.ask("GET /api/events?after=r-1"))
        self.assertEqual(503, status)
        self.assertIn("close one", sentence)
        self.ask("GET /api/status")
        self.assertEqual(MAX_STREAMS + 1, len(self.side.channels))
        self.side.channels[0].end()
        self.assertEqual(503, self.statusOf(followers[0]))  # the daemon did not answer
        self.assertEqual(b"", self.ask("GET /api/events").value())
        self.assertEqual(503, self.errorOf(self.ask("GET /api/events"))[0])

    def test_tabsOfOthers(self) -> None:
        """Another browser has tabs of its own."""
        for _ in range(MAX_STREAMS):
            self.ask("GET /api/events")
        session = self.sessions.begin(self.sessions.makeToken().encode())
        assert session is not None
        cookie = f"Cookie: pkdoors-{PORT}={session.secret.decode()}"
        key = f"Pkdoors-Key: {session.key.decode()}"
        self.assertEqual(b"", self.send("GET /api/events", cookie, key).value())
        self.assertEqual(MAX_STREAMS + 1, len(self.side.channels))

    def test_slow(self) -> None:
        """A request that does not arrive as a whole ends after half a minute, byte by byte, too."""
        channel, transport = self.connect()
        for letter in b"GET / HTTP/1.1\r\nX: " + 40 * b"x":
            channel.dataReceived(bytes([letter]))
            self.reactor.advance(1)
        self.assertEqual(1, transport.aborts)

    def test_long(self) -> None:
        """A head or body that is too long is refused."""
        answer = self.ask("GET /" + "x" * 5000)
        self.assertEqual(400, self.statusOf(answer))
        self.assertEqual(400, self.statusOf(self.ask("GET /", *["X: y"] * 100)))
        answer = self.ask("POST /session", body=bytes(5000))
        self.assertEqual(413, self.errorOf(answer)[0])


class PresenceTests(WebTestCase):
    """When the page is taken for closed."""

    def assertEndsIn(self, seconds: float) -> None:
        """Assert that nobody is there in so many seconds, and not before."""
        self.reactor.advance(seconds - 1)
        self.assertEqual([], self.away)
        self.reactor.advance(1)
        self.assertEqual([None], self.away)

    def test_never(self) -> None:
        """If nobody comes, that is after ten minutes."""
        self.assertEqual(600, PATIENCE)
        self.assertEndsIn(PATIENCE)

    def test_strangers(self) -> None:
        """Requests without a session do not count."""
        self.reactor.advance(PATIENCE - 10)
        self.send("GET /")
        self.send("GET /api/status")
        self.assertEndsIn(10)

    def test_request(self) -> None:
        """Each request of a session counts."""
        self.reactor.advance(PATIENCE - 10)
        self.ask("GET /api/about")
        self.side.channels[-1].answer(b"{}")
        self.side.channels[-1].end()
        self.assertEndsIn(PATIENCE)

    def test_events(self) -> None:
        """As long as a page follows the events, it is open."""
        transport = self.ask("GET /api/events")
        self.side.channels[-1].answer(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        self.reactor.advance(3 * PATIENCE)
        self.assertEqual([], self.away)
        self.side.channels[-1].end()
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertEndsIn(PATIENCE)
