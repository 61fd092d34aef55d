"""The operator's page: `pkdoors web` on a host, and a browser that looks at it."""

import json
import re
from typing import Any

from selenium.webdriver.common.keys import Keys

from tests.lab.browser import MISSING, Browser
from tests.lab.controlled import ControlledTestCase
from tests.lab.hosts import BIN, Host, Process, eventually

_LINK = re.compile(r"(http://\w+\.localhost:\d+/#\S+)\n")
ROW = '#opening-rows tr[data-door="{}"][data-source="{}"]'
"""The selector of an opening, for its door and source."""
_RECORD = """
const [rows, cell] = [document.getElementById("opening-rows"), "td[data-field=left] time"];
window.recorded = {};
const look = () => {
    for (const row of rows.children) {
        const entry = (window.recorded[row.dataset.source] ??= {seen: Date.now(), left: []});
        const left = row.querySelector(cell).textContent;
        if (entry.left.at(-1) !== left) {
            entry.left.push(left);
        }
    }
};
new MutationObserver(look).observe(rows, {childList: true, subtree: true, characterData: true});
look();
"""


def findLink(web: Process) -> str:
    """Return the last link that C{pkdoors web} has printed; empty if there is none yet."""
    links: list[str] = _LINK.findall(web.log())
    return links[-1] if links else ""


class PageTestCase(ControlledTestCase):
    """
    Looks at the page of a real daemon.
    """

    if MISSING:
        skip = MISSING

    def web(self, *arguments: str, host: Host | None = None) -> Process:
        """Start C{pkdoors web}, on the server unless on another host."""
        command = (str(BIN / "pkdoors"), "web", "--no-browser", *arguments)
        process = (host or self.server).spawn(*command)
        self.assertTrue(eventually(lambda: findLink(process)), process.log())
        return process

    def webHere(self) -> Process:
        """Start C{pkdoors web} on the server, for the daemon there."""
        return self.web("--conf", str(self.file))

    def linkOf(self, web: Process) -> str:
        """Return the last link that it has printed."""
        return findLink(web)

    def browser(self, *flags: str, host: Host | None = None) -> Browser:
        """Start a browser where C{pkdoors web} runs."""
        browser = Browser(host or self.server, *flags)
        self.addCleanup(browser.close)
        return browser

    def look(self, web: Process | None = None) -> Browser:
        """Look at the page, and wait until it sees the daemon."""
        browser = self.browser()
        browser.open(self.linkOf(web or self.webHere()))
        self.awaitState(browser, "live")
        return browser

    def awaitState(self, browser: Browser, state: str) -> None:
        """Wait until the page's connection has a state."""
        script = "return document.getElementById('connection').dataset.state === arguments[0]"
        self.assertTrue(browser.eventually(script, state), (state, browser.text()))

    def assertShows(self, browser: Browser, text: str, selector: str = "body") -> None:
        """Wait until an element shows a text."""
        self.assertTrue(browser.shows(text, selector), (text, browser.text()))

    def assertGone(self, browser: Browser, selector: str) -> None:
        """Wait until no element matches."""
        script = "return !document.querySelector(arguments[0])"
        self.assertTrue(browser.eventually(script, selector), (selector, browser.text()))

    def assertQuiet(self, browser: Browser, *allowed: str) -> None:
        """The console has no errors, but for those with one of these texts."""
        self.assertEqual([], browser.complaints(*allowed))

    def awaitRow(self, browser: Browser, source: str, door: str = "ssh") -> None:
        """Wait until an opening is shown."""
        script = "return document.querySelector(arguments[0]) !== null"
        row = ROW.format(door, source)
        self.assertTrue(browser.eventually(script, row), (source, browser.text()))

    def record(self, browser: Browser) -> None:
        """Record from now on when each opening is first shown, and what it says is left."""
        browser.run(_RECORD)

    def recorded(self, browser: Browser) -> dict[str, dict[str, Any]]:
        """Return what was recorded of each source: the moment, in milliseconds, and the times."""
        found: dict[str, dict[str, Any]] = browser.run("return window.recorded")
        return found

    def click(self, browser: Browser, selector: str) -> None:
        """Click on an element, once it is there."""
        script = "return document.querySelector(arguments[0])"
        element = browser.eventually(script, selector)
        self.assertTrue(element, (selector, browser.text()))
        browser.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill(self, browser: Browser, selector: str, text: str) -> None:
        """Write a text into a field, in place of what it has."""
        self.click(browser, selector)
        browser.driver.switch_to.active_element.send_keys(Keys.CONTROL, "a")
        browser.press(text or Keys.BACKSPACE)

    def choose(self, browser: Browser, selector: str, value: str) -> None:
        """Choose from a menu, by its keys: the driver's own way leaves out an event."""
        script = (
            "const menu = document.querySelector(arguments[0]); menu.focus();"
            "const usable = [...menu.options].filter(each => !each.disabled);"
            "const values = usable.map(each => each.value);"
            "return [menu, values.indexOf(arguments[1]) - values.indexOf(menu.value)]"
        )
        menu, steps = browser.eventually(script, selector, value)
        menu.send_keys(*[Keys.DOWN if steps > 0 else Keys.UP] * abs(steps))
        self.assertEqual(value, menu.get_property("value"), selector)

    def closeInPage(self, browser: Browser, source: str, door: str = "ssh") -> None:
        """Press I{Close} beside an opening, and once more for the question."""
        button = f"{ROW.format(door, source)} [data-action=close]"
        self.click(browser, button)
        self.assertShows(browser, "Really close?", button)
        self.afterDoubleClick(browser)
        self.click(browser, button)

    def afterDoubleClick(self, browser: Browser) -> None:
        """Wait for so long that the next click is another one."""
        browser.finish("await new Promise(done => setTimeout(done, 500))")

    def leftInKernel(self, source: str) -> float:
        """Return the seconds after which the kernel closes for an address; 0 if it is closed."""
        listing = self.server.run("nft", "-j", "list", "set", "inet", "pkdoors", "openings4")
        (found,) = (item["set"] for item in json.loads(listing)["nftables"] if "set" in item)
        elements = [each["elem"] for each in found.get("elem", ())]
        return max(
            (float(each["expires"]) for each in elements if each["val"]["concat"][0] == source),
            default=0.0,
        )
