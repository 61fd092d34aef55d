"""What another user of the operator's machine can get, and what it is good for."""

import json
import re
import sys
from pathlib import Path

from tests.lab.browser import MISSING, Browser
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.hosts import BIN, STRANGER4, Process, eventually

_RECORDER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        print("got", self.headers.get("Cookie", ""), flush=True)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>x</title><h1>Kittens</h1>")
    def log_message(self, *arguments):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
"""
"""A web server of another user, which notes the cookies that it gets."""

_TRICKS = """
const [address, opening] = arguments_, learned = [];
const wait = (target, ...names) => new Promise(done => {
    names.forEach(name => target.addEventListener(name, event => done(event.type)));
    setTimeout(() => done("nothing"), 5000);
});
const socket = new WebSocket(address.replace("http", "ws") + "api/events");
learned.push(await wait(socket, "open", "message", "error"));
const source = new EventSource(address + "api/events", {withCredentials: true});
learned.push(await wait(source, "open", "message", "error"));
source.close();
for (const [tag, path] of [["script", "api/status"], ["script", "main.js"], ["img", "icon.svg"]]) {
    const element = document.createElement(tag);
    element.src = address + path;
    document.head.append(element);
    learned.push(await wait(element, "load", "error"));
}
navigator.sendBeacon(address + "api/openings", opening);
navigator.sendBeacon(address + "session", opening);
await fetch(address + "api/openings", {
    method: "POST", mode: "no-cors", credentials: "include", keepalive: true, body: opening,
}).catch(() => {});
learned.push(Object.keys(localStorage).length);
const other = window.open(address);
await new Promise(done => setTimeout(done, 1000));
try {
    learned.push(other.document.title);
} catch (error) {
    learned.push(error.name);
}
return learned;
"""


_LINKS = r"http://[0-9a-f]{16}\.localhost:\d+/#\S+", r"http://127\.0\.0\.1:\d+/#\S+"


def _findLinks(web: Process) -> list[list[str]]:
    """Return the links of each kind that are printed, with their lines' ends."""
    return [re.findall(rf"({link})\s", web.log()) for link in _LINKS]


class TheftTests(ControlledTestCase):
    """
    Another user of the same machine runs a web server, and has the operator's browser look at it.
    The operator has used the link to 127.0.0.1, which is the weaker one.

    @ivar address: of the operator's page, without a token.
    """

    if MISSING:
        skip = MISSING

    def setUp(self) -> None:
        """Have the operator look at both."""
        super().setUp()
        self.controlled(SSH)
        recorder = self.server.spawn(sys.executable, "-c", _RECORDER)
        self.assertTrue(recorder.says("port "), recorder.log())
        self.recorder = recorder
        self.other = f"http://127.0.0.1:{recorder.log().split()[1]}/"
        link = self.startPage()[1]
        self.address, _, self.token = link.partition("#")
        self.shown = self.look(link)
        self.shown.open(self.other)

    def startPage(self) -> list[str]:
        """Start another C{pkdoors web}; return its links: to its own name, and to 127.0.0.1."""
        web: Process = self.server.spawn(str(BIN / "pkdoors"), "web", "--conf", str(self.file))
        self.assertTrue(web.says("http://127.0.0.1:"), web.log())
        found = eventually(lambda: all(links := _findLinks(web)) and links)
        self.assertTrue(found, web.log())
        return [links[0] for links in found]

    def look(self, link: str) -> Browser:
        """Look at the page with a new browser, and wait until it sees the daemon."""
        browser = Browser(self.server)
        self.addCleanup(browser.close)
        browser.open(link)
        script = "return document.getElementById('connection').dataset.state === 'live'"
        self.assertTrue(browser.eventually(script), browser.text())
        return browser

    def steal(self) -> str:
        """Return the cookie that the other server has got: the browser sends it to each port."""
        found = eventually(lambda: re.findall(r"got (pkdoors-\d+=\S+)", self.recorder.log()))
        self.assertTrue(found, self.recorder.log())
        return str(found[0])

    def send(self, path: str, *options: str) -> tuple[int, str]:
        """Ask the operator's page with curl, as another program of the machine."""
        command = ("curl", "-sS", "-m", "10", "-w", "\n%{http_code}", *options)
        text, _, status = self.server.run(*command, f"{self.address}{path}").rpartition("\n")
        return int(status), text

    def test_cookie(self) -> None:
        """The stolen cookie opens nothing and shows nothing, with whatever headers."""
        cookie = self.steal()
        origin = self.address.rstrip("/")
        forged = ("-H", f"Origin: {origin}", "-H", "Sec-Fetch-Site: same-origin", "-b", cookie)
        for path in ("status", "openings", "events", "rates", "about", "check", "fleet"):
            for options in (("-b", cookie), forged):
                status, text = self.send(f"api/{path}", *options)
                self.assertEqual((401, True), (status, '"error"' in text), path)
        body = json.dumps({"source": STRANGER4, "door": "ssh"})
        kind = ("-H", "Content-Type: application/json")
        self.assertEqual(401, self.send("api/openings", *forged, *kind, "-d", body)[0])
        self.assertEqual(401, self.send(f"api/openings/{STRANGER4}", *forged, "-X", "DELETE")[0])
        self.assertEqual(set(), self.inKernel())

    def test_ownName(self) -> None:
        """
        The page's own name, of which the first link is, is no other server's: not even the cookie
        is sent to another port of this machine.
        """
        named = self.look(self.startPage()[0])
        before = self.recorder.log().count("got")
        for _ in range(2):
            named.open(self.other)
            self.assertIn("Kittens", named.text())
        got = eventually(lambda: self.recorder.log().split("got")[before + 1 :])
        self.assertEqual({""}, {cookie.strip() for cookie in got})

    def test_token(self) -> None:
        """The link is dead, and no process shows a link to other users while it is not."""
        status, _ = self.send(
            "session",
            *("-H", f"Origin: {self.address.rstrip('/')}", "-d", self.token),
            *("-H", "Content-Type: application/octet-stream"),
        )
        self.assertEqual(403, status)
        live = self.startPage()[1].partition("#")[2]
        self.assertEqual(22, len(live))
        with self.server.inside():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.assertNotIn(live.encode(), file.read_bytes(), file)
                except (FileNotFoundError, ProcessLookupError):
                    continue

    def test_sameSite(self) -> None:
        """
        A page of another port is of the same site, so its requests have the cookie. It reaches
        nothing, with none of the ways to send a request, and learns nothing.
        """
        self.steal()
        body = json.dumps({"source": STRANGER4, "door": "ssh"})
        learned = self.shown.finish(_TRICKS, self.address, body)
        self.assertEqual([*["error"] * 5, 0, "SecurityError"], learned)
        self.assertEqual(set(), self.inKernel())
        self.assertEqual(set(), self.openings())
