"""Tests of L{pkdoors.web._checks}: requests of other pages, in the way that browsers send them."""

from pkdoors.web._checks import WEB_HEADERS, listMethods
from tests.web.case import HOST, ORIGIN, PORT, WebTestCase

REQUESTS = (
    "GET /",
    "GET /api/status",
    "GET /api/events",
    "GET /api/about",
    "GET /nothing",
    "POST /session",
    "POST /api/openings",
    "DELETE /api/openings/192.0.2.7",
    "OPTIONS /api/openings",
    "OPTIONS *",
    "HEAD /",
    "FROB /",
)


class ChecksTests(WebTestCase):
    """Each request is refused, reading too, whatever its path is."""

    def assertRefused(self, *headers: str, status: int = 403) -> None:
        """Assert that no request with these headers gets through, with the right cookie."""
        count = len(self.side.channels)
        for request in REQUESTS:
            transport = self.send(request, self.cookie, *headers)
            found, sentence = self.errorOf(transport)
            self.assertEqual(status, found, (request, headers))
            self.assertIn("`pkdoors web`", sentence)
            self.assertIn(b"\r\nConnection: close\r\n", transport.value())
            self.assertTrue(transport.disconnecting)
        self.assertEqual(count, len(self.side.channels))

    def assertAllowed(self, *headers: str) -> None:
        """Assert that a request with these headers gets through."""
        count = len(self.side.channels)
        self.send("GET /api/status", self.cookie, *headers)
        self.assertEqual(count + 1, len(self.side.channels), headers)

    def test_host(self) -> None:
        """Only the name and port in the link are ours: a page's own name may lead here."""
        for host in (HOST, f"localhost:{PORT}"):
            self.assertAllowed(f"Host: {host}")
        for host in (
            "evil.example",
            f"evil.example:{PORT}",
            f"localhost.evil.example:{PORT}",
            f"127.0.0.1.nip.io:{PORT}",
            "127.0.0.1",
            "localhost",
            f"127.0.0.1:{PORT + 1}",
            f"127.0.0.1:0{PORT}",
            f"127.0.0.2:{PORT}",
            f"[::1]:{PORT}",
            f"0.0.0.0:{PORT}",
            f"pkdoors:{PORT}",
            "pkdoors",
            f"{HOST},{HOST}",
            f"{HOST}@evil.example",
            f"user@{HOST}",
            "",
        ):
            self.assertRefused(f"Host: {host}")

    def test_hosts(self) -> None:
        """There must be exactly one."""
        self.assertRefused(f"Host: {HOST}", f"Host: {HOST}", status=400)
        self.assertRefused(f"Host: {HOST}", "Host: evil.example", status=400)
        channel, transport = self.connect()
        channel.dataReceived(f"GET /api/status HTTP/1.0\r\n{self.cookie}\r\n\r\n".encode())
        self.assertEqual(400, self.errorOf(transport)[0])

    def test_origin(self) -> None:
        """A page has the origin under which it was asked, to the letter."""
        self.assertAllowed(f"Origin: {ORIGIN}")
        self.assertAllowed(f"Host: localhost:{PORT}", f"Origin: http://localhost:{PORT}")
        for origin in (
            "null",
            "",
            "https://evil.example",
            f"https://{HOST}",
            "http://127.0.0.1",
            f"http://127.0.0.1:{PORT + 1}",
            f"http://127.0.0.1:{PORT}0",
            f"http://localhost:{PORT}",
            f"{ORIGIN}/",
            f"{ORIGIN}.evil.example",
        ):
            self.assertRefused(f"Origin: {origin}")
            self.assertRefused(f"Origin: {ORIGIN}", f"Origin: {origin}")

    def test_fetchSite(self) -> None:
        """A request that another page has caused is refused, also one of this machine."""
        for site in ("same-origin", "none"):
            self.assertAllowed(f"Sec-Fetch-Site: {site}")
        for site in ("cross-site", "same-site", "", "new"):
            self.assertRefused(f"Sec-Fetch-Site: {site}")
            self.assertRefused(f"Origin: {ORIGIN}", f"Sec-Fetch-Site: {site}")

    def test_changes(self) -> None:
        """What changes something must say which page it is of."""
        for request in ("POST /api/openings", "DELETE /api/openings/192.0.2.7", "POST /session"):
            for headers in ((), ("Sec-Fetch-Site: none",)):
                status, sentence = self.errorOf(self.send(request, self.cookie, *headers))
                self.assertEqual(403, status)
                self.assertIn("Origin", sentence)
        self.send("DELETE /api/openings/192.0.2.7", self.cookie, "Sec-Fetch-Site: same-origin")
        self.assertEqual(1, len(self.side.channels))

    def test_preflight(self) -> None:
        """Nobody gets permission."""
        for origin in (ORIGIN, "https://evil.example"):
            transport = self.send(
                "OPTIONS /api/openings", f"Origin: {origin}", "Access-Control-Request-Method: PUT"
            )
            self.assertNotIn(b"access-control", transport.value().lower())

    def test_headers(self) -> None:
        """All answers have the headers that protect the page, once."""
        for request in (*REQUESTS, "nonsense"):
            answer = self.ask(request).value().lower()
            if request in ("GET /api/status", "GET /api/events", "GET /api/about"):
                self.side.channels[-1].end()
                answer = b""
            for name, value in WEB_HEADERS:
                line = b"\r\n%b: %b\r\n" % (name.lower(), value.lower())
                self.assertTrue(not answer or answer.count(line) == 1, (request, name))
        policy = dict(WEB_HEADERS)[b"Content-Security-Policy"]
        self.assertIn(b"default-src 'self'", policy)
        self.assertIn(b"frame-ancestors 'none'", policy)
        self.assertEqual(b"no-store", dict(WEB_HEADERS)[b"Cache-Control"])


class MethodsTests(WebTestCase):
    """What the page may ask of the daemon."""

    def test_passed(self) -> None:
        """Only what the page needs is passed on."""
        for path in ("/status", "/events", "/rates"):
            self.assertEqual(("GET",), listMethods(path))
        self.assertEqual(("GET", "POST"), listMethods("/openings"))
        for address in ("192.0.2.7", "2001:db8::1", "10.0.0.0/16", "10.0.0.0%2F16", "2001%3Adb8"):
            self.assertEqual(("DELETE",), listMethods(f"/openings/{address}"))

    def test_others(self) -> None:
        """Nothing else is: no reload, and no closing of all."""
        for path in ("/reload", "/metrics", "/", "", "/seals", "/openings/", "/openings/../reload"):
            self.assertEqual((), listMethods(path), path)
        for path in ("/openings/x", "/openings/1.2.3.4/x", "/openings/1.2.3.4/../../reload"):
            self.assertEqual((), listMethods(path), path)
        for request in (
            "POST /api/reload",
            "GET /api/metrics",
            "DELETE /api/openings/",
            "GET /api//status",
            "GET /api/status/",
            "GET /api/%73tatus",
            "GET /api/openings/../metrics",
        ):
            self.assertEqual(404, self.errorOf(self.ask(request))[0], request)
        for request in ("DELETE /api/openings", "POST /api/status", "PUT /api/openings"):
            self.assertEqual(405, self.errorOf(self.ask(request))[0], request)
        self.assertEqual([], self.side.channels)
