"""Requests that are to reach more of the daemon than the page may."""

from urllib.parse import quote

from tests.web.attackcase import HOST, ORIGIN, AttackCase

ALLOWED = ("status", "openings", "events", "rates")


class SmugglingTests(AttackCase):
    """An attacker who has a session, or who is the page: it may do less than the socket can."""

    def test_paths(self) -> None:
        """Whatever a path is made of, the daemon is not asked for a reload, or for metrics."""
        encoded = "".join(f"%{ord(letter):02x}" for letter in "reload")
        for path in (
            "/api/reload",
            "/api/metrics",
            "/api/seals",
            "/api/",
            "/api",
            "/reload",
            "//api/reload",
            "/api//reload",
            "/api//status",
            "/api/./status",
            "/api/status/",
            "/api/status/../reload",
            "/api/status%2f..%2freload",
            "/api/..%2freload",
            "/api/%2e%2e/reload",
            f"/api/{encoded}",
            "/api/openings/../reload",
            "/api/openings/..%2f..%2freload",
            "/api/openings//reload",
            "/api/openings/",
            "/api/openings/192.0.2.7/24/reload",
            "/api/openings/192.0.2.7/",
            "/api/status;reload",
            "/api\\reload",
            "/api/status%00reload",
            "/api/STATUS",
            "/API/status",
            f"http://{HOST}/api/status",
            "http://pkdoors/api/reload",
            "*",
        ):
            for method in ("GET", "POST", "DELETE", "PUT", "CONNECT", "PATCH", "TRACE", "HEAD"):
                body = "{}" if method == "POST" else ""
                answer = self.own(f"{method} {path}", body=body)
                self.assertEqual([], self.side.channels, (method, path, answer))
                self.assertNotIn(" 200 ", answer.partition("\r\n")[0])

    def test_methods(self) -> None:
        """Each path has its methods, and all openings at once are not closed through the page."""
        for request in (
            "DELETE /api/openings",
            "DELETE /api/openings?door=ssh",
            "POST /api/status",
            "DELETE /api/events",
            "GET /api/openings/192.0.2.7",
            "POST /api/openings/192.0.2.7",
            "POST /api/check",
            "get /api/status",
            "GET\t/api/status",
        ):
            answer = self.own(request, body="{}" if request.startswith("POST") else "")
            self.assertEqual([], self.side.channels, (request, answer))

    def test_addresses(self) -> None:
        """What stands for an address stays one part of the path."""
        encoded = "".join(f"%{ord(letter):02x}" for letter in "reload")
        for address in (f"..%2f..%2f{encoded}", "%2e%2e", "..", "%3f", "%23", "%0d%0a", "%00", "%"):
            self.own(f"DELETE /api/openings/{address}")
        for asked in self.asked():
            self.assertRegex(asked, r"\ADELETE /openings/[0-9a-f:.%]+ HTTP/1.0\r\n")

    def test_body(self) -> None:
        """A body where none belongs is refused: its sender meant less than everything."""
        for request in ("DELETE /api/openings/192.0.2.7", "GET /api/status"):
            self.assertUntouched(self.own(request, body='{"door": "ssh"}'), 400)

    def test_injection(self) -> None:
        """Nothing in a request adds a line to the daemon's."""
        for request in (
            "GET /api/status?x=\nX-Evil: 1",
            "GET /api/status?x=\rX-Evil: 1",
            "GET /api/status?\x0bX",
            "GET /api/status?\x00",
            "GET /api/status HTTP/1.1\r\nX: y\r\n\r\nPOST /reload",
        ):
            self.own(request)
        for place in ("x\n\nX-Evil: 1", "x\r\n X-Evil: 1", "x\rX-Evil: 1", "é", "x y", "x" * 999):
            self.own("GET /api/events", f"Last-Event-ID: {place}")
        for asked in self.asked():
            self.assertRegex(
                asked, r"\AGET /[!-~]* HTTP/1.0\r\nHost: pkdoors\r\n(Last-E[!-~ ]+\r\n)?\r\n\Z"
            )
            self.assertNotIn("X-Evil:", asked)

    def test_lengths(self) -> None:
        """A body whose end is unclear is refused, and the daemon gets just what was counted."""
        head = f"POST /api/openings HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\n"
        head += "Content-Type: application/json\r\n"
        head += "".join(f"{header}\r\n" for header in self.session)
        inner = "POST /reload HTTP/1.1\r\nHost: pkdoors\r\n\r\n"
        for lengths in (
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nContent-Length: 90\r\n",
            "Content-Length: +2\r\n",
            "Content-Length: -2\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: 0x2\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Content-Length : 2\r\n",
        ):
            answer = self.raw(f"{head}{lengths}\r\n{{}}{inner}".encode())
            self.assertUntouched(answer, 400)
        self.raw(f"{head}Content-Length: 2\r\n\r\n{{}}{inner}".encode())
        self.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{inner}".encode())
        for asked in self.asked():
            self.assertTrue(asked.startswith("POST /openings HTTP/1.0\r\n"), asked)
            self.assertTrue(asked.endswith("Content-Length: 2\r\n\r\n{}"), asked)
        self.assertEqual(2, len(self.asked()))

    def test_pipelined(self) -> None:
        """What follows a refused request on its connection is not done either."""
        good = "\r\n".join(("GET /api/status HTTP/1.1", f"Host: {HOST}", *self.session, "", ""))
        for bad in (
            f"GET /api/status HTTP/1.1\r\nHost: {HOST}\r\nOrigin: null\r\n\r\n",
            "GET /api/status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "GET /api/status HTTP/1.1\r\n\r\n",
            f"POST /session HTTP/1.1\r\nHost: {HOST}\r\nOrigin: null\r\nContent-Length: 9\r\n\r\n",
        ):
            self.assertUntouched(self.raw((bad + good).encode()), 400, 403)

    def test_arguments(self) -> None:
        """Arguments go to the daemon as they are, and it judges them: each once, and known."""
        query = f"door={quote('a&limit=0')}&limit=5&limit=6"
        self.own(f"GET /api/openings?{query}")
        self.assertTrue(self.asked()[0].startswith(f"GET /openings?{query} HTTP/1.0\r\n"))

    def test_files(self) -> None:
        """Only files of the page are served, whatever a path is made of."""
        for path in (
            "/../pyproject.toml",
            "/..%2f..%2f__init__.py",
            "/%2e%2e/sessions.py",
            "/page/../../_site.py",
            "//etc/passwd",
            "/etc/passwd",
            "/.",
            "/index.html/",
            "/index.html%00.js",
            "/.gitignore",
            "/_files.py",
        ):
            self.assertUntouched(self.send(f"GET {path}"), 404)
