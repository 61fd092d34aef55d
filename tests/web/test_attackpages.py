"""What other pages in the operator's browser, and other users of the machine, try."""

from tests.web.attackcase import HOST, NAME, ORIGIN, PATHS, PORT, AttackCase

FOREIGN = (
    "null",
    f"http://127.0.0.1:{PORT + 1}",
    "http://127.0.0.1",
    f"http://localhost:{PORT}",
    f"https://127.0.0.1:{PORT}",
    f"http://127.0.0.1:{PORT}.evil.example",
    f"http://127.0.0.1:{PORT}@evil.example",
    f"http://evil.example:{PORT}",
    f"http://127.0.0.2:{PORT}",
    f"http://127.0.0.1:{PORT}0",
    f"http://127.0.0.1:{PORT}/",
    f"{ORIGIN}, {ORIGIN}",
    "",
)
"""Origins of other pages; some are of this machine, which a cookie's SameSite does not keep out."""
OPENING = '{"source": "192.0.2.66", "door": "ssh"}'


class PageTests(AttackCase):
    """Another page, in a browser that has a session."""

    def test_own(self) -> None:
        """The page itself reaches each path, so the other tests refuse it for the right reason."""
        for path in PATHS:
            self.own(f"GET /api/{path}")
        self.own("POST /api/openings", body=OPENING)
        addresses = ("192.0.2.7", "10.0.0.0/16", "2001:db8::7", "2001:db8::/32", "fe80::1%25eth0.5")
        for address in addresses:
            self.own(f"DELETE /api/openings/{address}?door=ssh")
        self.assertEqual(len(PATHS) + 1 + len(addresses), len(self.side.channels))

    def test_origin(self) -> None:
        """A request from any other origin is refused, also one that only reads."""
        for origin in FOREIGN:
            header = f"Origin: {origin}"
            for path in PATHS:
                self.assertUntouched(self.send(f"GET /api/{path}", *self.session, header), 403)
            for request, body in (
                ("POST /api/openings", OPENING),
                ("DELETE /api/openings/1.1.1.1", ""),
            ):
                kind = ("Content-Type: application/json",) if body else ()
                answer = self.send(request, *self.session, header, *kind, body=body)
                self.assertUntouched(answer, 403)
            self.assertUntouched(self.send("POST /session", header, body="x"), 403)

    def test_site(self) -> None:
        """Whatever the browser says is of another page, of this site or not, is refused."""
        for site in ("cross-site", "same-site", "SAME-SITE", "", "other", "none, same-site"):
            for request in ("GET /api/status", "GET /", "DELETE /api/openings/192.0.2.7"):
                for more in ((), (f"Origin: {ORIGIN}",)):
                    header = f"Sec-Fetch-Site: {site}"
                    self.assertUntouched(self.send(request, *self.session, header, *more), 403)

    def test_form(self) -> None:
        """A form, or a request that needs no permission, changes nothing."""
        kinds = (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        )
        for kind in kinds:
            for more in ((), (f"Origin: {ORIGIN}",), ("Sec-Fetch-Site: same-origin",)):
                headers = (*self.session, f"Content-Type: {kind}", *more)
                answer = self.send("POST /api/openings", *headers, body=OPENING)
                self.assertUntouched(answer, 403, 415)
        for more in ((), ("Sec-Fetch-Site: none",)):  # nothing says which page it is from
            headers = (*self.session, "Content-Type: application/json", *more)
            self.assertUntouched(self.send("POST /api/openings", *headers, body=OPENING), 403)
            answer = self.send("DELETE /api/openings/192.0.2.7", *self.session, *more)
            self.assertUntouched(answer, 403)

    def test_rebinding(self) -> None:
        """A name that an attacker points at this machine is refused, whatever it looks like."""
        for host in (
            "evil.example",
            f"evil.example:{PORT}",
            "127.0.0.1",
            f"127.0.0.1:{PORT + 1}",
            f"127.0.0.1:0{PORT}",
            f"127.1:{PORT}",
            f"0.0.0.0:{PORT}",
            f"[::1]:{PORT}",
            f"localhost.:{PORT}",
            f"x.localhost:{PORT}",
            f"{NAME}:{PORT + 1}",
            f"x.{NAME}:{PORT}",
            NAME,
            f"127.0.0.1.evil.example:{PORT}",
            f"127.0.0.1:{PORT}, evil.example",
            f"x@127.0.0.1:{PORT}",
            f"pkdoors:{PORT}",
            "pkdoors",
        ):
            for request in ("GET /", "GET /api/status", "POST /session"):
                self.assertUntouched(self.send(request, *self.session, host=host), 403)
        for more in ("", f"Host: {HOST}\r\nHost: evil.example\r\n"):
            text = f"GET /api/status HTTP/1.1\r\n{more}{self.session[0]}\r\n\r\n"
            self.assertUntouched(self.raw(text.encode()), 400)
        text = f"GET /api/status HTTP/1.0\r\n{self.session[0]}\r\n\r\n"
        self.assertUntouched(self.raw(text.encode()), 400)

    def test_names(self) -> None:
        """The page has three names, and the origin must be that of the name that is asked."""
        own = [f"{name}:{PORT}" for name in ("127.0.0.1", "localhost", NAME)]
        for host in own:
            for other in own:
                self.side.channels.clear()
                self.send("GET /api/status", *self.session, f"Origin: http://{other}", host=host)
                self.assertEqual(int(host == other), len(self.side.channels), (host, other))

    def test_socket(self) -> None:
        """A WebSocket, which no rule of the browser's keeps to its own page, is refused."""
        for origin in FOREIGN:
            headers = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
            key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
            answer = self.send("GET /api/events", *self.session, *headers, key, f"Origin: {origin}")
            self.assertUntouched(answer, 403)

    def test_preflight(self) -> None:
        """A browser that asks whether another page may send something gets no permission."""
        for path in ("/api/openings", "/api/status", "/session", "/"):
            for origin in (*FOREIGN, ORIGIN):
                answer = self.send(
                    f"OPTIONS {path}",
                    f"Origin: {origin}",
                    "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Private-Network: true",
                )
                self.assertNotIn("access-control", answer.lower())
                self.assertUntouched(answer, 401, 403, 404, 405)

    def test_frames(self) -> None:
        """Every answer says that no other page may show, load, keep or reinterpret it."""
        self.session = self.beginSession()
        answers = [
            self.send("GET /"),
            self.send("GET /nothing"),
            self.send("GET /api/status"),
            self.send("GET /api/status", "Origin: null"),
            self.send("PUT /api/status", *self.session, f"Origin: {ORIGIN}"),
            self.send("POST /session", f"Origin: {ORIGIN}", body="x"),
            self.post("/session", self.sessions.makeToken()),
            self.send("GET /", host="evil.example"),
            self.own("POST /api/openings", body="x" * 5000),
            self.raw(b"x\r\n\r\n"),
            self.raw(
                f"POST /session HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\n".encode()
                + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
        ]
        for answer in answers:
            head = answer.partition("\r\n\r\n")[0].lower()
            for header in (
                "content-security-policy: default-src 'self'; frame-ancestors 'none'",
                "base-uri 'none'",
                "form-action 'none'",
                "object-src 'none'",
                "cache-control: no-store",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cross-origin-resource-policy: same-origin",
                "cross-origin-opener-policy: same-origin",
            ):
                self.assertEqual(1, head.count(header), answer)


class TheftTests(AttackCase):
    """A token or a cookie that somebody else has."""

    def test_none(self) -> None:
        """Without a session nothing of the host can be read or changed."""
        name = self.session[0].partition("=")[0]
        for cookie in ("Cookie: x", f"{name}=", f"{name}=x", f"{name}", "Cookie: "):
            for path in PATHS:
                self.assertUntouched(self.send(f"GET /api/{path}", cookie, self.session[1]), 401)
            answer = self.send(
                "POST /api/openings",
                cookie,
                self.session[1],
                f"Origin: {ORIGIN}",
                "Content-Type: application/json",
                body=OPENING,
            )
            self.assertUntouched(answer, 401)

    def test_oldToken(self) -> None:
        """A token is good once, until a new one was made, and is no cookie."""
        token = self.sessions.makeToken()
        self.assertIn(" 200 ", self.post("/session", token))
        self.assertUntouched(self.post("/session", token), 403)
        old = self.sessions.makeToken()
        self.sessions.makeToken()
        self.assertUntouched(self.post("/session", old), 403)
        name = self.session[0].partition("=")[0]
        for stolen in (token, old):
            self.assertUntouched(self.send("GET /api/status", f"{name}={stolen}"), 401)

    def test_wrongTokens(self) -> None:
        """Whoever guesses does not take the link from the operator."""
        token = self.sessions.makeToken()
        for guess in (*map(str, range(500)), token[:-1], token + "x", token.upper(), "\x00", "é"):
            self.assertUntouched(self.post("/session", guess), 403)
        self.assertNotIn("error", self.post("/session", token))

    def test_cookieOnly(self) -> None:
        """
        The cookie alone is not enough. A browser sends it to every port of this machine, so a
        server of another user gets it as soon as the operator's browser shows a page of his.
        """
        (cookie, *_) = self.session
        for headers in ((cookie,), (cookie, f"Origin: {ORIGIN}", "Sec-Fetch-Site: same-origin")):
            for path in PATHS:
                self.assertUntouched(self.send(f"GET /api/{path}", *headers), 401)
            kind = ("Content-Type: application/json", f"Origin: {ORIGIN}")
            answer = self.send("POST /api/openings", cookie, *kind, body=OPENING)
            self.assertUntouched(answer, 401)

    def test_otherBrowser(self) -> None:
        """The parts of two sessions do not make one."""
        other = self.beginSession()
        self.assertGreater(len(other), 1)
        for mixed in zip(self.session, other, strict=True), zip(other, self.session, strict=True):
            first, second = mixed
            headers = (first[0], second[1])
            self.assertUntouched(self.send("GET /api/status", *headers), 401)

    def test_tossed(self) -> None:
        """A cookie that another page of this host has set for a path does not end the session."""
        cookie, *rest = self.session
        name, _, value = cookie.partition(": ")[2].partition("=")
        for pairs in (
            f"{name}=x; {name}={value}",
            f"{name}={value}; {name}=x",
            f"a=b;{name}={value}",
        ):
            self.send("GET /api/status", f"Cookie: {pairs}", *rest)
        self.assertEqual(3, len(self.side.channels))
