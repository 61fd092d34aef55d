"""Tests of the operator's page in a real Cockpit, with a real browser."""

from tests.lab.browser import MISSING, Browser
from tests.lab.case import SEQUENCE
from tests.lab.cockpit import OPERATOR, PLACE, Cockpit, addOperator, installPage
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.hosts import CLIENT4, eventually

ROW = f"#opening-rows [data-source='{CLIENT4}']"
NO_ACCESS = "turn it on at the top of Cockpit's page"


class CockpitTestCase(ControlledTestCase):
    """With a daemon, whose socket is not at the usual place, and the page in Cockpit's menu."""

    if MISSING:
        skip = MISSING

    def setUp(self) -> None:
        """Prepare the server."""
        super().setUp()
        self.etc = self.server.ownEtc()
        (self.etc / "pkdoors").mkdir(0o750)
        self.file = self.etc / "pkdoors" / "pkdoors.toml"
        installPage(self.server)

    def cockpit(self, user: str = "root") -> Cockpit:
        """Start Cockpit, and a browser."""
        browser = Browser(self.server)
        self.addCleanup(browser.close)
        cockpit = Cockpit(self.server, browser, user)
        self.addCleanup(cockpit.close)
        return cockpit

    def isShown(self, cockpit: Cockpit, text: str, selector: str = "body") -> None:
        """Wait until the page shows something."""
        self.assertTrue(cockpit.browser.shows(text, selector), cockpit.browser.text())


class PageTests(CockpitTestCase):
    """Tests of the page, for root."""

    def test_knock(self) -> None:
        """What a knock opens appears at once; closing it there reaches the kernel."""
        self.controlled(SSH)
        cockpit = self.cockpit()
        self.assertIn("pkdoors", cockpit.menu())
        cockpit.enter()
        self.isShown(cockpit, "live", "#connection-text")
        self.isShown(cockpit, "2222/tcp", "#door-rows")
        self.client.send(SEQUENCE)
        self.isShown(cockpit, CLIENT4, "#opening-rows")
        self.isShown(cockpit, CLIENT4, "#event-rows")
        self.assertEqual({("ssh", CLIENT4)}, self.inKernel())
        cockpit.browser.run(f'document.querySelector("{ROW} [data-action=extend]").click()')
        cockpit.browser.run("document.querySelector('#extend-submit').click()")
        self.close(cockpit)
        self.assertTrue(eventually(lambda: not self.inKernel()))
        self.assertFalse(self.client.reaches(2222))
        self.isShown(cockpit, "closed", "#event-rows")
        self.assertEqual([], cockpit.browser.complaints(".woff2"))

    def close(self, cockpit: Cockpit) -> None:
        """Press the button twice, as it wants to be."""
        button = f'document.querySelector("{ROW} [data-action=close]")'
        script = f"{button}?.click(); return !{button}"
        self.assertTrue(cockpit.browser.eventually(script), cockpit.browser.text())

    def test_open(self) -> None:
        """The form opens; the check, and a refusal of the daemon, arrive."""
        self.controlled(SSH)
        cockpit = self.cockpit()
        cockpit.enter()
        self.isShown(cockpit, "live", "#connection-text")
        self.isShown(cockpit, "ago", "#check-state")
        script = "document.querySelector('#open-source').value = arguments[0];"
        script += "document.querySelector('#open-submit').click()"
        for source, selector in (("0.0.0.0", "#open-notice"), (CLIENT4, "#opening-rows")):
            cockpit.browser.run(script, source)
            self.isShown(cockpit, source, selector)
        self.assertTrue(self.client.comesToReach(2222))

    def test_away(self) -> None:
        """If the daemon ends, the page says so, and goes on when one runs, here at another path."""
        daemon = self.controlled(SSH)
        cockpit = self.cockpit()
        cockpit.enter()
        self.isShown(cockpit, "live", "#connection-text")
        daemon.stop()
        self.isShown(cockpit, "the daemon is not running", "#connection-reason")
        self.socket = self.folder / "moved.sock"
        self.controlled(SSH)
        self.isShown(cockpit, "live", "#connection-text")
        self.client.send(SEQUENCE)
        self.isShown(cockpit, CLIENT4, "#event-rows")

    def test_reloads(self) -> None:
        """A page that is loaded again leaves nothing behind that would stop the next one."""
        self.controlled(SSH)
        cockpit = self.cockpit()
        for _ in range(12):
            cockpit.enter()
            self.isShown(cockpit, "live", "#connection-text")
        self.assertTrue(eventually(lambda: self.countStreams() == 1), self.countStreams())

    def countStreams(self) -> int:
        """Return how many follow the events."""
        lines = self.server.run("ss", "-Hx", "state", "connected").splitlines()
        return sum(str(self.socket) in line for line in lines)

    def test_theme(self) -> None:
        """The page is dark if the user wants that of Cockpit."""
        self.controlled(SSH)
        cockpit = self.cockpit()
        grounds = []
        for style in ("light", "dark"):
            cockpit.menu()
            cockpit.browser.run("localStorage.setItem('shell:style', arguments[0])", style)
            cockpit.enter()
            self.isShown(cockpit, "live", "#connection-text")
            grounds.append(
                cockpit.browser.run("return getComputedStyle(document.body).backgroundColor")
            )
        self.assertEqual(2, len({*grounds}), grounds)

    def test_menu(self) -> None:
        """If pkdoors is removed, a link that was left behind is nothing in the menu."""
        self.server.run("ln", "-sfn", "/nowhere", str(PLACE))
        menu = self.cockpit().menu()
        self.assertIn("Terminal", menu)
        self.assertNotIn("pkdoors", menu)


class AccessTests(CockpitTestCase):
    """Tests of a user who is not root."""

    def test_access(self) -> None:
        """Without administrative access the page says so; it is there as soon as that is on."""
        self.controlled(SSH)
        addOperator(self.server, self.etc)
        cockpit = self.cockpit(OPERATOR)
        cockpit.enter()
        self.isShown(cockpit, NO_ACCESS, "#connection-reason")
        self.assertNotIn("2222", cockpit.browser.text("#doors"))
        cockpit.switchAccess()
        self.isShown(cockpit, "live", "#connection-text")
        self.isShown(cockpit, "2222/tcp", "#door-rows")
        cockpit.switchAccess()
        self.isShown(cockpit, NO_ACCESS, "#connection-reason")
