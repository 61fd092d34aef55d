"""The operator's page, while the daemon, the page's server or another page comes and goes."""

import signal

from pkdoors.web._leaves import MAX_STREAMS
from tests.lab.browser import Browser
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, WEB, WEB_SEQUENCE, door
from tests.lab.hosts import CLIENT4, STRANGER4, eventually
from tests.lab.operatorpage import ROW, PageTestCase

TABS = 7
"""One more than a browser has connections to one server."""

NO_ANSWER = "Failed to load resource"
"""On the console, for each request that fails."""

_UNTIL_LET_GO = """
const ask = window.fetch;
window.fetch = (path, options) =>
    path === "main.js" && !window.letGo ? Promise.reject(new TypeError()) : ask(path, options);
"""
"""Keeps a page from loading again, as if its server were away, until a test sets C{letGo}."""


class ConnectionTests(PageTestCase):
    """What the page says if it sees nothing, and how it sees again."""

    def test_daemonAway(self) -> None:
        """It says since when it has been blind, and recovers without being loaded again."""
        daemon = self.controlled(SSH)
        browser = self.look()
        self.client.send(SEQUENCE)
        self.awaitRow(browser, CLIENT4)
        browser.run("window.isSamePage = true")
        daemon.stop(signal.SIGKILL)
        self.awaitState(browser, "blind")
        since = browser.text("#connection-text")
        self.assertRegex(since, r"^no connection since \d\d:\d\d:\d\d$")
        self.assertIn("not running", browser.text("#connection-reason"))
        self.assertIn("no connection", browser.driver.title)
        self.click(browser, "#retry")  # which changes nothing yet
        self.assertShows(browser, "trying again", "#connection-retry")
        self.assertEqual(since, browser.text("#connection-text"))
        self.controlled(SSH)
        self.awaitState(browser, "live")
        self.assertEqual("", browser.text("#connection-reason"))
        self.awaitRow(browser, CLIENT4)  # the next daemon takes it over
        self.stranger.send(SEQUENCE)
        self.awaitRow(browser, STRANGER4)
        self.assertShows(browser, STRANGER4, '#event-rows tr[data-event="opened"]')
        self.assertTrue(browser.run("return window.isSamePage"))
        self.assertQuiet(browser, NO_ANSWER)

    def test_doorGone(self) -> None:
        """If a reload removes the door that is shown alone, the page shows all, and is live."""
        web = door("web", WEB_SEQUENCE, WEB)
        self.controlled(SSH, web)
        browser = self.look()
        self.choose(browser, "#openings-door", "web")
        self.choose(browser, "#open-door", "web")
        self.write(SSH)
        self.reload()
        self.assertGone(browser, '#door-rows tr[data-door="web"]')
        self.client.send(SEQUENCE)
        self.awaitRow(browser, CLIENT4)
        self.awaitState(browser, "live")
        self.assertEqual("", browser.run("return document.getElementById('openings-door').value"))
        self.assertShows(browser, "no door web any more: door ssh is chosen now", "#open-notice")
        self.assertQuiet(browser, NO_ANSWER)

    def test_serverAway(self) -> None:
        """If C{pkdoors web} ends, the page says what to do."""
        self.controlled(SSH)
        web = self.webHere()
        browser = self.look(web)
        web.stop(signal.SIGINT)
        self.awaitState(browser, "blind")
        self.assertIn("start it again", browser.text("#connection-reason"))
        self.assertQuiet(browser, NO_ANSWER)

    def test_partMissing(self) -> None:
        """A page whose part did not arrive, as the network changed, is loaded again by itself."""
        self.controlled(SSH)
        browser = self.browser()
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=_UNTIL_LET_GO)
        for part in ("*/view/elements.js", "*/page.css"):
            with self.subTest(part):
                self.openWithout(browser, part)
                self.awaitState(browser, "blind")
                reason = browser.text("#connection-reason")
                self.assertEqual("A part of the page did not arrive.", reason)
                self.block(browser)
                browser.run("window.letGo = true")
                self.awaitState(browser, "live")
        self.assertQuiet(browser, NO_ANSWER, "TypeError")

    def test_partStaysMissing(self) -> None:
        """It is loaded again a few times, and then only if the user wants that."""
        self.controlled(SSH)
        browser = self.browser()
        self.openWithout(browser, "*/start.js")
        isTired = "return sessionStorage.getItem('pkdoors-loads') === '5'"
        self.assertTrue(browser.eventually(isTired), browser.text())
        self.awaitState(browser, "blind")
        self.block(browser)
        self.click(browser, "#retry")
        self.awaitState(browser, "live")
        self.assertEqual("0", browser.run("return sessionStorage.getItem('pkdoors-loads')"))

    def test_nothingRuns(self) -> None:
        """If its first module is missing, the page asks the user after a while to load it again."""
        self.controlled(SSH)
        browser = self.browser()
        self.openWithout(browser, "*/main.js")
        sentence = "load this page again"
        self.assertNotIn(sentence, browser.text("#connection"))
        browser.run("document.getAnimations().forEach(each => each.finish())")
        self.assertIn(sentence, browser.text("#connection"))
        self.block(browser)
        browser.driver.refresh()
        self.awaitState(browser, "live")
        self.assertNotIn(sentence, browser.text("#connection"))

    def openWithout(self, browser: Browser, pattern: str) -> None:
        """Open the page; no request to an address of this form gets an answer."""
        self.block(browser, pattern)
        browser.open(self.linkOf(self.webHere()))

    def block(self, browser: Browser, *patterns: str) -> None:
        """Let requests to addresses of these forms fail, and no others."""
        browser.command("Network.enable")
        browser.command("Network.setBlockedURLs", urls=[*patterns])

    def test_twoPages(self) -> None:
        """Two pages show the same, and what one changes appears on the other."""
        self.controlled(SSH)
        browser = self.look()
        driver = browser.driver
        first, address = driver.current_window_handle, driver.current_url
        driver.switch_to.new_window("window")
        browser.open(address)  # the session of the first one serves it, too
        self.awaitState(browser, "live")
        second = driver.current_window_handle
        self.client.send(SEQUENCE)
        for window in (first, second):
            driver.switch_to.window(window)
            self.awaitRow(browser, CLIENT4)
        self.closeInPage(browser, CLIENT4)
        driver.switch_to.window(first)
        self.assertGone(browser, ROW.format("ssh", CLIENT4))
        self.assertShows(browser, CLIENT4, '#event-rows tr[data-event="closed"]')
        self.assertFalse(self.client.reaches(PORT))
        self.assertQuiet(browser)

    def test_manyTabs(self) -> None:
        """
        A tab more than a browser has connections works, too. Some follow the events, the others say
        why they do not, and do if one of those is closed.
        """
        self.controlled(SSH)
        browser = self.look()
        driver = browser.driver
        address = driver.current_url
        for number in range(2, TABS + 1):
            driver.switch_to.new_window("tab")
            browser.open(address)
            self.awaitState(browser, "live" if number <= MAX_STREAMS else "deaf")
        self.assertIn("close one", browser.text("#connection-reason"))
        self.client.send(SEQUENCE)
        self.awaitRow(browser, CLIENT4)
        self.closeInPage(browser, CLIENT4)
        self.assertGone(browser, ROW.format("ssh", CLIENT4))
        driver.switch_to.window(driver.window_handles[0])
        driver.close()
        self.assertTrue(eventually(lambda: self.countLive(browser) == MAX_STREAMS))
        self.assertQuiet(browser, NO_ANSWER)

    def countLive(self, browser: Browser) -> int:
        """Return how many tabs follow the events."""
        count = 0
        for window in browser.driver.window_handles:
            browser.driver.switch_to.window(window)
            count += browser.run("return document.body.dataset.state") == "live"
        return count
