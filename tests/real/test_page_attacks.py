"""Attacks on the operator's page by other pages that the same browser shows."""

import json
import sys
from urllib.parse import urlsplit

from tests.lab.browser import Browser
from tests.lab.controlled import SSH
from tests.lab.hosts import STRANGER4
from tests.lab.operatorpage import PageTestCase

FOREIGN = 8000
"""The port of a web server that has nothing to do with pkdoors."""
NAMES = "--host-resolver-rules=MAP *.example 127.0.0.1"
"""Lets names for examples lead here: so does an attacker with a name server of his own."""
OPENING = json.dumps({"source": STRANGER4, "door": "ssh", "seconds": 60})
_SEND = """
const [address, options] = arguments_;
try {
    const answer = await fetch(address, options);
    return `${answer.type} ${answer.status} ${answer.ok ? "" : await answer.text()}`;
} catch (error) {
    return error.name;
}
"""
_SUBMIT = """
const form = document.createElement("form");
form.method = "POST";
form.action = arguments[0];
form.enctype = "text/plain";
const field = document.createElement("input");
field.name = arguments[1].slice(0, -1) + ', "x": "';
field.value = '"}';
form.append(field);
document.body.append(form);
form.submit();
"""
_FRAME = """
const frame = document.createElement("iframe");
const loaded = new Promise(done => frame.addEventListener("load", done));
frame.src = arguments_[0];
document.body.append(frame);
await loaded;
"""


class AttackTests(PageTestCase):
    """
    The operator looks at the page, and at somebody else's.

    @ivar address: of the page, without a token.
    @ivar name: of the host in that address.
    @ivar places: the names of hosts from which somebody else's page comes.
    """

    def setUp(self) -> None:
        """Have a daemon, and another web server."""
        super().setUp()
        self.controlled(SSH)
        site = self.folder / "site"
        site.mkdir()
        (site / "index.html").write_text("<!doctype html><title>x</title><h1>Kittens</h1>")
        server = (sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1")
        foreign = self.server.spawn(*server, "--directory", str(site), str(FOREIGN))
        self.assertTrue(foreign.says("Serving HTTP"), foreign.log())
        self.operatorsWeb = self.webHere()
        self.address, _, self.token = self.linkOf(self.operatorsWeb).partition("#")
        self.name = str(urlsplit(self.address).hostname)
        # With a request from another port of the same name, the browser sends the cookie.
        self.places = (self.name, "127.0.0.1", "evil.example")

    def enter(self) -> Browser:
        """Look at the page, so that the browser has its session."""
        browser = self.browser(NAMES)
        browser.open(self.linkOf(self.operatorsWeb))
        self.awaitState(browser, "live")
        return browser

    def fetch(self, browser: Browser, address: str, **options: object) -> str:
        """Send a request from the page that is shown; return what that page learns."""
        return str(browser.finish(_SEND, address, options))

    def assertUntouched(self) -> None:
        """Nothing is open."""
        self.assertEqual((set(), set()), (self.openings(), self.inKernel()))

    def test_foreignPages(self) -> None:
        """
        A foreign page can neither open nor read anything, from the same site or from another one.
        """
        browser = self.enter()
        cookies = browser.command("Network.getCookies", urls=[self.address])["cookies"]
        self.assertEqual([(True, "Strict")], [(c["httpOnly"], c["sameSite"]) for c in cookies])
        self.assertEqual("", browser.run("return document.cookie"))
        self.assertNotIn(self.token, browser.driver.current_url)
        self.assertQuiet(browser)
        for place in self.places:
            browser.open(f"http://{place}:{FOREIGN}/")
            self.assertIn("Kittens", browser.text())
            for kind in ("text/plain", "application/x-www-form-urlencoded"):
                sent = self.fetch(
                    browser,
                    f"{self.address}api/openings",
                    method="POST",
                    mode="no-cors",
                    credentials="include",
                    headers={"Content-Type": kind},
                    body=OPENING,
                )
                # It went out; the browser keeps even the refusal from the page.
                self.assertEqual("TypeError", sent)
                said = "\n".join(browser.complaints())
                self.assertRegex(said, "api/openings .*BLOCKED_BY_RESPONSE.NotSameOrigin", place)
            for method, path, kind in (
                ("POST", "api/openings", "application/json"),
                ("DELETE", "api/openings", "application/json"),
                ("GET", "api/status", "text/plain"),
                ("GET", "api/about", "text/plain"),
                ("GET", "", "text/plain"),
            ):
                learned = self.fetch(
                    browser,
                    f"{self.address}{path}",
                    method=method,
                    credentials="include",
                    headers={"Content-Type": kind},
                    **({"body": OPENING} if method == "POST" else {}),
                )
                self.assertEqual("TypeError", learned, (place, method, path))
            browser.run(_SUBMIT, f"{self.address}api/openings", OPENING)
            self.assertShows(browser, '"error"')
            self.assertUntouched()
        browser.open(self.address)  # what was refused there is granted here
        self.awaitState(browser, "live")
        self.fill(browser, "#open-source", STRANGER4)
        self.click(browser, "#open-submit")
        self.awaitRow(browser, STRANGER4)
        self.assertEqual({("ssh", STRANGER4)}, self.inKernel())

    def test_rebinding(self) -> None:
        """
        A name of the attacker's that leads to this computer is refused, with a good token, too;
        which stays good.
        """
        browser = self.browser(NAMES)
        there = self.address.replace(self.name, "rebound.example")
        browser.open(f"{there}#{self.token}")
        self.assertEqual("", browser.text("h1"))
        entry = "return performance.getEntriesByType('navigation')[0].responseStatus"
        self.assertEqual(403, browser.run(entry))
        for method, path, body in (
            ("POST", "session", self.token),
            ("POST", "api/openings", OPENING),
            ("GET", "api/status", None),
        ):
            kind = "text/plain" if path == "session" else "application/json"
            more = {} if body is None else {"body": body, "headers": {"Content-Type": kind}}
            learned = self.fetch(browser, f"/{path}", method=method, **more)
            self.assertRegex(learned, "^basic 403 .*rebound", path)
        self.assertUntouched()
        browser.open(self.linkOf(self.operatorsWeb))
        self.awaitState(browser, "live")

    def test_oldToken(self) -> None:
        """A link that was used is dead: whoever finds it later sees nothing but a sentence."""
        browser = self.enter()
        browser.command("Network.clearBrowserCookies")
        browser.open("about:blank")
        browser.open(self.linkOf(self.operatorsWeb))
        self.awaitState(browser, "ended")
        self.assertIn("no session", browser.text("#connection-text"))
        self.assertNotEqual("", browser.text("#connection-reason"))
        for path in ("status", "openings", "events", "rates", "about", "check", "fleet"):
            learned = self.fetch(browser, f"api/{path}")
            self.assertRegex(learned, '^basic 401 {"error": ', path)
        opening = self.fetch(
            browser,
            "api/openings",
            method="POST",
            headers={"Content-Type": "application/json"},
            body=OPENING,
        )
        self.assertRegex(opening, "^basic 401 ")
        self.assertUntouched()

    def test_frame(self) -> None:
        """No other page can show this one in a frame, and lead a click to its buttons."""
        browser = self.enter()
        for place in self.places:
            foreign = f"http://{place}:{FOREIGN}/"
            for shown, seen in ((foreign, foreign), (self.address, "chrome-error:")):
                browser.open(foreign)
                browser.finish(_FRAME, shown)
                browser.driver.switch_to.frame(0)
                self.assertIn(seen, browser.run("return document.URL"), (place, shown))
                self.assertEqual(
                    0, browser.run("return document.getElementsByTagName('h2').length")
                )
                browser.driver.switch_to.default_content()
        refused = [text for text in browser.complaints() if "frame-ancestors" in text]
        self.assertEqual(len(self.places), len(refused), refused)
