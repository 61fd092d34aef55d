"""Tests of C{pkdoors web} on the daemon's own host, with curl in place of the page."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, eventually
from tests.lab.terminal import Terminal
from tests.lab.webclient import PKDOORS, WebClient

ANNA, BERT = "1001", "1002"
"""Numbers of users."""
GROWTH = 30_000
"""Kibibytes by which the server's memory may grow, whatever clients do."""
LONG = 300.0
"""Seconds until the daemon has sent more events than sockets on the way and its own bound hold."""
_GUESS = """
import sys
from http.client import HTTPConnection
port = int(sys.argv[1])
connection = HTTPConnection("127.0.0.1", port, timeout=60)
for number in range(2000):
    headers = {"Origin": f"http://127.0.0.1:{port}"}
    connection.request("POST", "/session", b"%022d" % number, headers)
    response = connection.getresponse()
    response.read()
    assert response.status == 403, response.status
print("all refused", flush=True)
"""
_PROLONG = """
import json, socket, sys
from http.client import HTTPConnection
connection = HTTPConnection("pkdoors", timeout=60)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
for number in range(30_000):
    body = json.dumps({"source": "192.0.2.9", "seconds": 100 + number / 10})
    connection.request("POST", "/openings", body)
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status
"""
OTHERS = ("https://evil.example", "null", "http://127.0.0.1:1")


class WebTestCase(RealTestCase):
    """With a daemon and the page's server on the same host."""

    def setUp(self) -> None:
        """Start the daemon."""
        super().setUp()
        self.daemonHere = self.start()

    def web(self, *options: str, before: tuple[str, ...] = ()) -> WebClient:
        """Start the page's server."""
        admin = ("--admin", f"{self.folder}/admin.sock")
        return WebClient(self.server, *admin, *options, before=before)

    def open(self, web: WebClient, source: str = CLIENT4) -> int:
        """Open the door for an address; return the status."""
        return web.ask("openings", method="POST", body={"source": source}).status


class UseTests(WebTestCase):
    """What the page does."""

    def test_doors(self) -> None:
        """It sees the doors, and opens, prolongs and closes them in the kernel."""
        web = self.web().begin()
        status = web.ask("status?limit=1").json()
        self.assertEqual([f"{PORT}/tcp"], status["doors"][0]["ports"])
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual(200, self.open(web))
        self.assertTrue(self.client.reaches(PORT))
        longer = web.ask("openings", method="POST", body={"source": CLIENT4, "seconds": 3600})
        self.assertGreater(longer.json()["opening"]["seconds_left"], 3500)
        self.assertEqual(200, web.ask(f"openings/{CLIENT4}", method="DELETE").status)
        self.assertFalse(self.client.reaches(PORT))
        refused = web.ask(f"openings/{CLIENT4}", method="DELETE")
        self.assertEqual(404, refused.status)
        self.assertIn(CLIENT4, refused.error())

    def test_events(self) -> None:
        """A knock is seen as it happens; the daemon's end and return, too."""
        web = self.web().begin()
        events = web.follow()
        self.client.send(SEQUENCE)
        self.assertTrue(events.says("event: opened"), events.log())
        self.assertIn(CLIENT4, events.log())
        self.daemonHere.stop()
        self.assertEqual(0, events.popen.wait(60))
        down = web.ask("status")
        self.assertEqual(503, down.status)
        self.assertIn("the daemon is not running", down.error())
        self.daemon()
        self.assertTrue(web.comesToAnswer("status", 200))
        self.assertIsNone(web.process.popen.poll())

    def test_host(self) -> None:
        """It says which host that is, and what the check finds there."""
        web = self.web().begin()
        about = web.ask("about").json()
        self.assertEqual((socket.gethostname(), "root"), (about["host"], about["user"]))
        found = web.ask("check")
        if found.status == 200:  # without a configuration, the check has nothing to look at
            self.assertIsInstance(found.json(), list)
        else:
            self.assertIn("pkdoors init", found.error())
        self.assertEqual("", web.ask("fleet").json()["fleet"])

    def test_files(self) -> None:
        """The page itself needs no session, and a browser takes it for what it is."""
        web = self.web()
        self.assertTrue(web.waitForLink())
        page = web.curl("/")
        self.assertEqual(200, page.status)
        self.assertIn("<!doctype html>", page.text.lower())
        self.assertIn("default-src 'self'", page.head)


class SessionTests(WebTestCase):
    """Who may ask."""

    def test_token(self) -> None:
        """Without a session nothing is answered; the token is good once."""
        web = self.web()
        self.assertTrue(web.waitForLink())
        for path in ("status", "events", "about", "check", "openings"):
            self.assertEqual(401, web.ask(path).status)
        self.assertEqual(401, self.open(web))
        token = web.links[0][1]
        for wrong in (token[:-1], token + "x", "", token.swapcase()):
            self.assertEqual(403, web.handIn(wrong).status)
        web.begin()
        stolen = web.handIn(token)
        self.assertEqual(403, stolen.status)
        self.assertIn("press Enter", stolen.error())
        self.assertEqual(200, web.ask("status").status)
        self.assertFalse(self.client.reaches(PORT))

    def test_later(self) -> None:
        """A session ends with the server: the next one knows neither its token nor its cookie."""
        first = self.web().begin()
        old = first.links[0][1]
        first.process.stop(signal.SIGINT)
        second = self.web()
        self.assertTrue(second.waitForLink())
        self.assertEqual(403, second.handIn(old).status)
        cookie = first.headers[0].replace(f"-{first.port}=", f"-{second.port}=")
        second.headers = (cookie, first.headers[1])
        self.assertEqual(401, second.ask("status").status)

    def test_two(self) -> None:
        """Two servers at once do not overwrite each other's cookies, in one jar."""
        first, second = self.web(), self.web()
        jar = str(self.folder / "jar")
        keys = []
        for web in (first, second):
            self.assertTrue(web.waitForLink())
            answer = web.handIn(web.links[0][1], "-c", jar, "-b", jar)
            keys.append(web.readSession(answer)[1])
        for web, key in zip((first, second), keys, strict=True):
            self.assertEqual(200, web.curl("/api/status", "-b", jar, "-H", key).status)

    def test_users(self) -> None:
        """
        The link is for the user behind sudo, though another user sees it on a command line, and
        connects.
        """
        web = self.web(before=("env", f"SUDO_UID={ANNA}"))
        self.assertTrue(web.waitForLink())
        token = web.links[0][1]
        refused = web.handIn(token, before=self.become(BERT))
        self.assertEqual(403, refused.status)
        self.assertIn("another user", refused.error())
        self.assertEqual(200, web.handIn(token, before=self.become(ANNA)).status)

    def test_rootWithoutSudo(self) -> None:
        """If root has started it without sudo, the browser may be any user's."""
        web = self.web(before=("env", "-u", "SUDO_UID"))
        self.assertTrue(web.waitForLink())
        self.assertEqual(200, web.handIn(web.links[0][1], before=self.become(BERT)).status)

    def become(self, user: str) -> tuple[str, ...]:
        """Return the words that run a program as a user."""
        return "setpriv", "--reuid", user, "--regid", user, "--clear-groups"

    def test_browser(self) -> None:
        """
        A browser opens the link for a user with a screen, not for root. Another user who sees it on
        the browser's command line cannot use it.
        """
        folder = self.folder / "programs"
        folder.mkdir()
        browser = folder / "chromium"
        browser.write_text(f'#!/bin/sh\necho "$0 $*" >{self.folder}/opened-$(id -u)\n')
        for path, mode in ((browser, 0o755), (folder, 0o755), (self.folder, 0o777)):
            path.chmod(mode)
        self.assertTrue(eventually((self.folder / "admin.sock").exists))
        (self.folder / "admin.sock").chmod(0o666)
        screen = ("env", "DISPLAY=:0", "BROWSER=chromium", f"PATH={folder}:{os.environ['PATH']}")
        for user in (ANNA, "0"):
            opened = self.folder / f"opened-{user}"
            web = self.web(before=(*self.become(user), *screen))
            self.assertTrue(web.waitForLink(), web.process.log())
            if user == "0":
                web.begin()
                self.assertFalse(opened.exists())
                continue
            self.assertTrue(eventually(lambda: opened.exists() and opened.read_text()))  # noqa: B023
            token = web.links[0][1]
            self.assertTrue(opened.read_text().strip().endswith(f":{web.port}/#{token}"))
            self.assertEqual(403, web.handIn(token, before=self.become(BERT)).status)
            self.assertEqual(200, web.handIn(token, before=self.become(ANNA)).status)

    def test_commandLines(self) -> None:
        """Nobody sees a token in the list of processes, nor a cookie in a file."""
        web = self.web().begin()
        token, secret = web.links[0][1], web.headers[0].rpartition("=")[2]
        words = b"".join(
            (process / "cmdline").read_bytes()
            for process in Path("/proc").glob("[0-9]*")
            if (process / "cmdline").exists()
        )
        self.assertIn(b"pkdoors", words)
        self.assertNotIn(token.encode(), words)
        self.assertNotIn(secret.encode(), words)

    def test_noRights(self) -> None:
        """A user who may not ask the daemon is told at once."""
        admin = ("--admin", f"{self.folder}/admin.sock")
        os.chmod(self.folder, 0o755)
        status, output = self.server.status(*self.become(ANNA), PKDOORS, "web", *admin)
        self.assertEqual(1, status)
        self.assertIn("run this as root", output)
        self.assertEqual(1, output.count("\n"), output)


class PagesTests(WebTestCase):
    """Other pages in the operator's browser."""

    def test_foreign(self) -> None:
        """
        With the right cookie and key, and from this machine, nothing of another page's is done.
        """
        web = self.web().begin()
        session = [word for header in web.headers for word in ("-H", header)]
        body = ("-H", "Content-Type: application/json", "-d", f'{{"source": "{CLIENT4}"}}')
        for headers in (
            *((f"Origin: {origin}",) for origin in OTHERS),
            (f"Origin: {web.origin}", "Host: evil.example"),
            (f"Origin: http://evil.example:{web.port}", f"Host: evil.example:{web.port}"),
            (f"Origin: {web.origin}", "Sec-Fetch-Site: cross-site"),
            (f"Origin: {web.origin}", "Sec-Fetch-Site: same-site"),
            (),
        ):
            given = [word for header in headers for word in ("-H", header)]
            answer = web.curl("/api/openings", *session, *given, *body)
            self.assertEqual(403, answer.status, headers)
            if headers:
                for path in ("/api/status", "/api/events", "/"):
                    self.assertEqual(403, web.curl(path, *session, *given).status, (path, headers))
        self.assertFalse(self.client.reaches(PORT))

    def test_noCors(self) -> None:
        """Nor is what a page can send without asking: a form, or fetch() without CORS."""
        web = self.web().begin()
        session = [word for header in web.headers for word in ("-H", header)]
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            for headers in (
                ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
                (f"Origin: {web.origin}",),
            ):
                given = [word for header in headers for word in ("-H", header)]
                text = f'{{"source": "{CLIENT4}"}}'
                answer = web.curl(
                    "/api/openings", *session, *given, "-H", f"Content-Type: {kind}", "-d", text
                )
                self.assertIn(answer.status, (403, 415))
        self.assertFalse(self.client.reaches(PORT))


class BurdenTests(WebTestCase):
    """Clients that waste memory or time."""

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        self.web_ = self.web().begin()
        self.assertEqual(200, self.web_.ask("status").status)
        self.before = self.web_.memory()

    def assertWell(self) -> None:
        """Assert that the page is answered, and the memory has not grown much."""
        self.assertEqual(200, self.web_.ask("status").status)
        self.assertLess(self.web_.memory() - self.before, GROWTH)

    def connect(self) -> socket.socket:
        """Connect to the server."""
        with self.server.inside():
            connected = socket.create_connection(("127.0.0.1", self.web_.port), 60)
        self.addCleanup(connected.close)
        return connected

    def request(self, path: str) -> bytes:
        """Return a request of the session."""
        host = f"127.0.0.1:{self.web_.port}"
        lines = (f"GET {path} HTTP/1.1", f"Host: {host}", *self.web_.headers, "", "")
        return "\r\n".join(lines).encode()

    def test_large(self) -> None:
        """A body or a head that is too large is refused, and not kept."""
        web = self.web_
        answer = web.ask("openings", method="POST", body={"source": "x" * 5000})
        self.assertEqual(413, answer.status)
        endless = self.connect()
        endless.sendall(b"POST /session HTTP/1.1\r\n")
        try:
            for _ in range(1000):
                endless.sendall(b"X: " + 65_536 * b"x")
        except OSError:
            pass
        self.assertWell()

    def test_many(self) -> None:
        """Many connections that ask nothing do not keep the page out."""
        for _ in range(300):
            self.connect()
        self.assertWell()
        following = self.web_.follow()
        for _ in range(300):
            self.connect().sendall(b"GET / HTTP/1.1\r\nX: ")
        self.assertWell()
        self.assertIsNone(following.popen.poll())

    def test_guessing(self) -> None:
        """Guessing the token wears nothing out: the right one still works."""
        self.web_.process.stop()
        web = self.web()
        self.assertTrue(web.waitForLink())
        guesser = self.server.spawn(sys.executable, "-c", _GUESS, str(web.port))
        self.assertTrue(guesser.says("all refused"), guesser.log())
        web.begin()
        self.assertEqual(200, web.ask("status").status)

    def test_notRead(self) -> None:
        """A stream of events that nobody reads fills no memory, and stops nobody else."""
        with self.server.inside():
            deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", self.web_.port))
        deaf.sendall(self.request("/api/events"))
        self.assertIn(b"200 OK", deaf.recv(100))
        following = self.web_.follow()
        admin = f"{self.folder}/admin.sock"
        prolonging = self.server.spawn(sys.executable, "-c", _PROLONG, admin)
        dropped = eventually(lambda: "was dropped" in self.daemonHere.log(), LONG)
        self.assertTrue(dropped, prolonging.log())
        prolonging.stop()
        self.assertWell()
        count = self.daemonHere.log().count("extended door")
        heard = eventually(lambda: following.log().count("event: extended") == count)
        self.assertTrue(heard, (count, following.log().count("event:")))


class EndTests(WebTestCase):
    """How it ends."""

    def test_signals(self) -> None:
        """Ctrl-C and SIGTERM end it at once; the port is free, and a page that is open sees it."""
        for number, status in ((signal.SIGINT, 0), (signal.SIGTERM, 0)):
            web = self.web().begin()
            following = web.follow()
            began = time.monotonic()
            self.assertEqual(status, web.process.stop(number))
            self.assertLess(time.monotonic() - began, 10)
            self.assertNotEqual(None, following.popen.wait(60))
            with self.server.inside(), self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", web.port), 5)
            self.assertNotIn("Traceback", web.process.log())

    def test_loopback(self) -> None:
        """It listens on 127.0.0.1 alone."""
        web = self.web().begin()
        listening = self.server.run("ss", "-Hltnp")
        lines = [line for line in listening.splitlines() if f":{web.port} " in line]
        self.assertEqual(1, len(lines), listening)
        self.assertIn(f" 127.0.0.1:{web.port} ", lines[0])

    def test_enter(self) -> None:
        """Enter prints another link, which works, and the one before does not."""
        with self.server.inside():
            terminal = Terminal(PKDOORS, "web", "--admin", f"{self.folder}/admin.sock", columns=200)
        self.addCleanup(terminal.close)
        web = WebClient.__new__(WebClient)
        web.host, web.headers = self.server, ()
        web.process = _Shown(terminal)  # type: ignore[assignment]
        self.assertTrue(web.waitForLink())
        terminal.type("\n")
        self.assertTrue(eventually(lambda: len(web.links) == 2), web.process.log())
        (_, old), (_, new) = web.links
        self.assertEqual(403, web.handIn(old).status)
        self.assertEqual(200, web.handIn(new).status)


class _Shown:
    """What a terminal shows, as a process' log."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def log(self) -> str:
        """See L{Process.log}."""
        return "\n".join(self._terminal.screen())

    def says(self, text: str) -> bool:
        """See L{Process.says}."""
        return bool(eventually(lambda: text in self.log()))
