"""The operator's page for everybody: by keyboard alone, for screen readers, narrow, wide, dark."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests import ROOT
from tests.lab.browser import NARROW, WIDE, Browser
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import door
from tests.lab.hosts import CLIENT4, STRANGER4
from tests.lab.operatorpage import ROW, PageTestCase
from tests.lab.pagelayout import listStrays
from tests.lab.pagescene import Scene

AXE = ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
MOST_TABS = 80
"""Presses of Tab after which everything on the page has had the focus."""
_AXE = """
const {violations} = await axe.run(document, {resultTypes: ["violations"]});
return violations.filter(({impact}) => arguments_[0].includes(impact)).map(({id, nodes}) =>
    `${id}: ${nodes.map(({target, failureSummary}) => `${target}: ${failureSummary}`)}`);
"""
_FOCUS = """
const {activeElement: focused} = document;
const row = focused.closest("tr");
const style = getComputedStyle(focused);
const box = focused.getBoundingClientRect();
return {
    name: focused.id || focused.dataset.action || focused.textContent,
    source: row?.dataset.source ?? "",
    isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
    isSeen: box.bottom > 0 && box.top < innerHeight,
};
"""


class KeyboardTests(PageTestCase):
    """Without a mouse."""

    def press(self, browser: Browser, *keys: str) -> None:
        """Press keys as a person does."""
        ActionChains(browser.driver).send_keys(*keys).perform()

    def tabTo(self, browser: Browser, name: str, source: str = "") -> None:
        """Press Tab until something has the focus; whatever has it can be seen, and is marked."""
        for _ in range(MOST_TABS):
            self.press(browser, Keys.TAB)
            focus = browser.run(_FOCUS)
            self.assertTrue(focus["isMarked"] and focus["isSeen"], focus)
            if (focus["name"], focus["source"]) == (name, source):
                return
        self.fail(f"Tab does not lead to {name} {source}")

    def test_openings(self) -> None:
        """Tab, Enter and Escape extend and close an opening; the focus never gets lost."""
        self.controlled(door("ssh", more='open_for = "10m"\nmax_open_for = "2h"'))
        for host in (self.client, self.stranger):
            host.send(SEQUENCE)
        browser = self.look()
        self.awaitRow(browser, CLIENT4)
        self.awaitRow(browser, STRANGER4)
        self.tabTo(browser, "extend", CLIENT4)
        self.press(browser, Keys.ENTER)
        self.assertShows(browser, f"Extend ssh for {CLIENT4}", "#extend[open]")
        self.press(browser, Keys.ESCAPE)
        self.assertGone(browser, "#extend[open]")
        self.assertEqual("extend", browser.run(_FOCUS)["name"])
        self.press(browser, Keys.ENTER)
        self.assertShows(browser, f"Extend ssh for {CLIENT4}", "#extend[open]")
        self.assertEqual("extend-time-menu", browser.run(_FOCUS)["name"])
        self.press(browser, Keys.END, Keys.UP)  # the last but one: the most that is allowed
        self.press(browser, Keys.TAB)
        self.assertEqual("extend-submit", browser.run(_FOCUS)["name"])
        self.press(browser, Keys.ENTER)
        self.assertShows(browser, f"is open for {CLIENT4} until", "#openings-notice")
        self.assertGreater(self.leftInKernel(CLIENT4), 7000)
        self.assertEqual(("extend", CLIENT4), self.focusOf(browser))
        self.press(browser, Keys.TAB, Keys.ENTER)
        self.assertShows(browser, "Really close?", ROW.format("ssh", CLIENT4))
        self.press(browser, Keys.ESCAPE)
        self.assertEqual("Close", browser.text(f"{ROW.format('ssh', CLIENT4)} [data-action=close]"))
        self.afterDoubleClick(browser)
        self.press(browser, Keys.ENTER)
        self.afterDoubleClick(browser)
        self.press(browser, Keys.ENTER)
        self.assertGone(browser, ROW.format("ssh", CLIENT4))
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual(("close", STRANGER4), self.focusOf(browser))  # the row in its place
        self.open("192.0.2.9", seconds=60)  # another row comes before it
        self.awaitRow(browser, "192.0.2.9")
        self.assertEqual(("close", STRANGER4), self.focusOf(browser))
        self.assertQuiet(browser)

    def test_openedAgain(self) -> None:
        """A dialog that was closed and opens again at once extends its opening."""
        self.controlled(door("ssh", more='open_for = "10m"\nmax_open_for = "2h"'))
        self.open("192.0.2.7", seconds=600)
        browser = self.look()
        self.awaitRow(browser, "192.0.2.7")
        button = f"document.querySelector('{ROW.format('ssh', '192.0.2.7')} [data-action=extend]')"
        # The browser reports the closing after this script.
        browser.run(
            f"{button}.click(); document.querySelector('#extend').close(); {button}.click();"
        )
        self.assertShows(browser, "Extend ssh for 192.0.2.7", "#extend[open]")
        self.press(browser, Keys.END, Keys.UP, Keys.TAB, Keys.ENTER)
        self.assertShows(browser, "is open for 192.0.2.7 until", "#openings-notice")
        self.assertQuiet(browser)

    def test_questionStays(self) -> None:
        """A row that moves while it asks whether to close goes on asking."""
        self.controlled(door("ssh", more='open_for = "10m"\nmax_open_for = "2h"'))
        self.open("192.0.2.7", seconds=600)
        self.open("192.0.2.9", seconds=1200)
        browser = self.look()
        row, button = ROW.format("ssh", "192.0.2.7"), "[data-action=close]"
        self.awaitRow(browser, "192.0.2.9")
        self.click(browser, f"{row} {button}")
        self.assertShows(browser, "Really close?", row)
        self.open("192.0.2.7", seconds=3600)  # another row comes before it
        top = "return document.querySelector('#opening-rows tr').dataset.source"
        self.assertTrue(browser.eventually(f"{top} === '192.0.2.9'"), browser.text())
        self.assertEqual("Really close?", browser.text(f"{row} {button}"))
        self.assertEqual(("close", "192.0.2.7"), self.focusOf(browser))
        self.assertQuiet(browser)

    def focusOf(self, browser: Browser) -> tuple[str, str]:
        """Return which button has the focus, and of which row."""
        focus = browser.run(_FOCUS)
        return focus["name"], focus["source"]


class AccessibilityTests(PageTestCase):
    """What axe-core finds, in every state of the page."""

    def setUp(self) -> None:
        """Have a daemon that says much."""
        super().setUp()
        self.assertTrue(AXE.exists(), "axe-core is missing: run the tests with script/test")
        self.scene = Scene(self.folder)
        self.addCleanup(self.scene.admin.stop)
        self.browserHere = self.browser()
        self.scene.prepare(self.browserHere, None)

    def assertAccessible(self, state: str) -> None:
        """Nothing is serious, nor outside the page, in light and dark, narrow and wide."""
        browser = self.browserHere
        browser.run(f"if (!window.axe) {{ {AXE.read_text()} }}")
        for width in (NARROW, WIDE):
            for scheme in ("light", "dark"):
                browser.resize(width)
                browser.prefer(scheme)
                with self.subTest(state=state, width=width, scheme=scheme):
                    self.assertEqual([], listStrays(browser))
                    self.assertEqual([], browser.finish(_AXE, SERIOUS))

    def test_states(self) -> None:
        """Live, with a dialog, with nothing to show, without a daemon, and without a session."""
        browser, admin = self.browserHere, self.scene.admin
        web = self.web("--admin", admin.path)
        browser.open(self.linkOf(web))
        self.awaitState(browser, "live")
        self.scene.tell()
        self.assertShows(browser, "carl@phone", "#event-rows")
        self.assertShows(browser, "gate3", "#host-rows")
        self.assertAccessible("live")
        self.click(browser, f"{ROW.format('ssh', '192.0.2.7')} [data-action=extend]")
        self.assertShows(browser, "Extend ssh for 192.0.2.7", "#extend[open]")
        self.assertAccessible("dialog")
        self.click(browser, "#extend-cancel")
        admin.stop()
        self.awaitState(browser, "blind")
        self.assertAccessible("blind")
        admin.openings, admin.doors = [], []
        admin.start()
        self.awaitState(browser, "live")
        self.assertAccessible("empty")
        browser.command("Network.clearBrowserCookies")
        browser.open(self.linkOf(web))
        self.awaitState(browser, "ended")
        self.assertAccessible("ended")
