"""Tests of L{refuseBrowser}."""

from twisted.web.http_headers import Headers

from pkdoors.admin.browsers import refuseBrowser
from pkdoors.admin.responses import SAFE_HEADERS
from tests.admin.case import ANN, AdminTestCase


class BrowserTests(AdminTestCase):
    """Tests of requests that a browser may have sent for somebody else's page."""

    def answer(self, *headers: str, request: str = "POST /reload HTTP/1.1") -> tuple[int, str]:
        """Send a request with these headers; return the status and the whole answer."""
        channel, transport = self.connect()
        channel.dataReceived("\r\n".join((request, *headers, "", "")).encode())
        self.turn()
        answer = transport.value().decode()
        return int(answer.split()[1]), answer

    def assertAllowed(self, *headers: str, **request: str) -> None:
        """Assert that a request with these headers is done."""
        self.operations.asked.clear()
        self.assertEqual(200, self.answer(*headers, **request)[0], headers)
        self.assertEqual(1, len(self.operations.asked))

    def assertRefused(self, *headers: str, status: int = 403, **request: str) -> None:
        """Assert that a request with these headers is refused, and the daemon is not asked."""
        self.operations.asked.clear()
        found, answer = self.answer(*headers, **request)
        self.assertEqual(status, found, (headers, answer))
        self.assertIn('{"error": "', answer)
        self.assertIn("\r\nConnection: close\r\n", answer)
        self.assertEqual([], self.operations.asked)

    def test_host(self) -> None:
        """Only names that nobody else can have are taken: a page's own name may lead here."""
        for host in "pkdoors localhost LocalHost 127.0.0.1 [::1] localhost:8080 [::1]:1".split():
            self.assertAllowed(f"Host: {host}")
        for host in (
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "pkdoors.evil",
            "xlocalhost",
            "localhost:",
            "localhost:80x",
            "localhost:8080@evil.example",
            "127a0.0.1",
            "127.0a0.1",
            "127.0.0a1",
            "127.0.0.1.nip.io",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::]",
            "localhost evil",
            "",
            "localhost.",
            "localhost,evil.example",
            "http://localhost",
            "localhost:123456",
        ):
            self.assertRefused(f"Host: {host}")
        self.assertRefused("Host: localhost", "\tevil.example")

    def test_hosts(self) -> None:
        """There must be exactly one, as a browser sends; HTTP/1.0 is not from a browser."""
        self.assertRefused("Host: localhost", "Host: localhost", status=400)
        self.assertRefused("Host: evil.example", "Host: localhost", status=400)
        self.assertRefused(status=400)
        self.assertAllowed(request="POST /reload HTTP/1.0")
        self.assertRefused("Host: evil.example", request="POST /reload HTTP/1.0")

    def test_origin(self) -> None:
        """A page may send requests only to the host and port that it came from."""
        self.assertAllowed("Host: localhost:8080", "Origin: http://localhost:8080")
        for origin in (
            "https://evil.example",
            "http://evil.example",
            "null",
            "",
            "file://",
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8080",
            "http://localhost:80800",
            "http://localhost:8080/",
            "http://127.0.0.1:8080",
        ):
            self.assertRefused("Host: localhost:8080", f"Origin: {origin}")
            self.assertRefused("Host: localhost:8080", f"oRIGIN:{origin}")
        self.assertRefused("Host: localhost", "Origin: http://localhost", "Origin: null")
        for host in ("pkdoors", "PKDOORS", "pkdoors:8080"):  # a name that a network may give out
            self.assertRefused(f"Host: {host}", f"Origin: http://{host}")
        self.assertRefused("Origin: http://localhost", request="POST /reload HTTP/1.0")

    def test_fetchSite(self) -> None:
        """A request from another page is refused, however close its site is."""
        for site in ("same-origin", "none"):
            self.assertAllowed("Host: pkdoors", f"Sec-Fetch-Site: {site}")
        for site in ("cross-site", "same-site", "", "new"):
            self.assertRefused("Host: pkdoors", f"Sec-Fetch-Site: {site}")
        self.assertRefused("Host: pkdoors", "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site")

    def test_everyPath(self) -> None:
        """All paths and methods are refused, even unknown ones, before the body is read."""
        for request in (
            "GET /status",
            "GET /events",
            "GET /metrics",
            "GET /openings",
            "GET /nothing",
            "DELETE /openings",
            f"DELETE /openings/{ANN}",
            "OPTIONS /openings",
            "OPTIONS *",
            "HEAD /status",
            "POST /openings",
            "FROB /",
        ):
            self.assertRefused("Host: localhost", "Origin: null", request=f"{request} HTTP/1.1")
        length = "Content-Length: 4000"
        self.assertRefused("Host: evil.example", length, request="POST /openings HTTP/1.1")
        self.assertEqual(0, self.operations.followers)

    def test_bodyType(self) -> None:
        """A body that any page's form can send is refused; curl's is read."""
        body = b'{"source": "192.0.2.7"}'
        for kind, status in (
            ("application/x-www-form-urlencoded", 200),
            ("application/json", 200),
            ("text/plain", 415),
            ("Text/Plain; charset=utf-8", 415),
            ("multipart/form-data; boundary=x", 415),
        ):
            channel, transport = self.connect()
            head = f"POST /openings HTTP/1.1\r\nHost: pkdoors\r\nContent-Type: {kind}\r\n"
            channel.dataReceived(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            self.turn()
            self.assertEqual(str(status), transport.value().decode().split()[1], kind)

    def test_star(self) -> None:
        """A request that Twisted would answer by itself is answered like an unknown path."""
        status, answer = self.answer("Host: pkdoors", request="OPTIONS * HTTP/1.1")
        self.assertEqual(404, status)
        self.assertIn("there is no '/*'", answer)

    def test_preflight(self) -> None:
        """A browser's preflight request gets no permission."""
        asks = ("Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: x")
        for origin in ("http://evil.example", "http://localhost:8080"):
            headers = ("Host: localhost:8080", f"Origin: {origin}", *asks)
            _, answer = self.answer(*headers, request="OPTIONS /openings HTTP/1.1")
            self.assertNotIn("access-control", answer.lower())

    def test_safeHeaders(self) -> None:
        """All answers forbid browsers to embed, guess and store them."""
        for request, headers in (
            ("GET /status HTTP/1.1", ["Host: pkdoors"]),
            ("GET /metrics HTTP/1.1", ["Host: pkdoors"]),
            ("GET /events HTTP/1.1", ["Host: pkdoors"]),
            ("GET /nothing HTTP/1.1", ["Host: pkdoors"]),
            ("POST /status HTTP/1.1", ["Host: pkdoors"]),
            ("OPTIONS * HTTP/1.1", ["Host: pkdoors"]),
            ("GET /status HTTP/1.1", ["Host: evil.example"]),
            ("GET /status HTTP/1.1", ["nonsense"]),
        ):
            _, answer = self.answer(*headers, request=request)
            for name, value in SAFE_HEADERS:
                line = f"\r\n{name.decode()}: {value.decode()}\r\n"
                self.assertEqual(1, answer.lower().count(line.lower()), (request, line))
        names = {name.lower() for name, _ in SAFE_HEADERS}
        for name in (b"cache-control", b"content-security-policy", b"x-content-type-options"):
            self.assertIn(name, names)

    def test_shown(self) -> None:
        """A refusal quotes briefly, and in one line."""
        headers = Headers({b"host": [b"\x1b[2J" + b"x" * 3000]})
        refusal = refuseBrowser(headers, b"HTTP/1.1")
        assert refusal is not None
        self.assertTrue(refusal[1].isprintable())
        self.assertLess(len(refusal[1]), 300)
