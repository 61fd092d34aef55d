"""Text that others chose, on the operator's page: key comments, reasons, all that a daemon says."""

from tests.fakes.admin import FakeAdmin, makeDoor, makeEvent, makeOpening
from tests.lab.browser import NARROW, WIDE, Browser
from tests.lab.case import SEQUENCE
from tests.lab.controlled import door
from tests.lab.operatorpage import ROW, PageTestCase
from tests.lab.pagelayout import listStrays
from tests.lab.pagescene import Scene
from tests.lab.sealing import makeKey, publicLine, sealed

MARKUP = (
    '<img src=x onerror="window.executed=1">',
    '"><script>window.executed=1</script>',
    "</td></tr></table><h1 id=injected>You are hacked</h1>",
    "<style>*{display:none}</style>",
    "javascript:window.executed=1",
    "{{constructor.constructor('window.executed=1')()}}${window.executed=1}",
    "&lt;b&gt;&#60;script&#62;window.executed=1&#60;/script&#62;",
)
"""Would be executed, or change the page, if it were not shown as text."""
SHAPES = (
    "A" * 3000,
    "\u202egnp.exe\u2066 \u200f\u200b\ufeff",
    "Z\u0338\u0321\u0489" * 200,
    "a\nb\rc\u2028d\x00e\x1b[31mf\x07",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 100,
    "\ud800",
)
"""Would break the layout."""
EXECUTED = """
return window.executed !== undefined || document.getElementById("injected") !== null
    || document.querySelector("main script, main style, main img, main iframe") !== null;
"""


class HostileTests(PageTestCase):
    """The text is shown as text, and the page stays as it is."""

    maxDiff = None

    def assertHarmless(self, browser: Browser, *allowed: str) -> None:
        """Nothing was executed, and nothing is outside the page, narrow or wide."""
        self.assertFalse(browser.run(EXECUTED))
        for width in (NARROW, WIDE):
            browser.resize(width)
            self.assertEqual([], listStrays(browser), width)
        self.assertQuiet(browser, *allowed)  # no breach of the content security policy either

    def test_comments(self) -> None:
        """Comments of keys, by real knocks: those that open, and those that are refused."""
        keys = self.folder / "keys"
        keys.touch(0o600)
        texts = [*MARKUP, SHAPES[0], SHAPES[1], SHAPES[2]]
        pairs = [(makeKey(), text) for text in texts]
        lines = (
            ('doors="web" ' if number % 2 else "") + publicLine(key, text)
            for number, (key, text) in enumerate(pairs)
        )
        keys.write_text("".join(lines))
        more = f'authorized_keys = "{keys}"\nopen_for = "10m"\n'
        self.controlled(door("ssh", more=more), door("web", SEQUENCE[::-1], 2223, more))
        browser = self.look()
        for number, (key, text) in enumerate(pairs):
            source = f"10.9.1.{number + 100}"
            self.client.run("ip", "address", "add", f"{source}/24", "dev", "server")
            self.client.send(SEQUENCE, sealed(key, SEQUENCE, door="ssh"), source=source, pause=0)
            if number % 2:
                self.assertShows(browser, source, '#event-rows tr[data-event="refused"]')
            else:
                self.awaitRow(browser, source)
            if text in MARKUP:
                self.assertShows(browser, text[:40], "#event-rows")
        self.assertShows(browser, MARKUP[0], ROW.format("ssh", "10.9.1.100"))
        self.assertHarmless(browser)

    def test_everything(self) -> None:
        """Each text that a daemon, a check or a fleet says."""
        texts = ("".join(MARKUP), *MARKUP, *SHAPES)
        scene = Scene(self.folder, self.makeDaemon(texts))
        self.addCleanup(scene.admin.stop)
        finding = {"level": "ERROR", "remedy": "\n".join(texts)}
        scene.answers = {
            "about": dict.fromkeys(("host", "version", "user", "address"), texts[0]),
            "check": [finding | {"subject": text, "text": text} for text in texts],
            "fleet": {"fleet": texts[0], "hosts": [self.makeHost(text) for text in texts]},
        }
        browser = self.browser()
        scene.prepare(browser, None)
        browser.open(self.linkOf(self.web("--admin", scene.admin.path)))
        self.awaitState(browser, "live")
        kinds = ("opened", "refused", "heal-failed", "reload-refused")
        scene.tell(
            makeEvent(kind, text, text, **dict.fromkeys(("user", "key", "reason", "text"), text))
            for kind in kinds
            for text in texts
        )
        for selector in (
            "#event-rows",
            "#opening-rows",
            "#door-rows",
            "#finding-list",
            "#host-rows",
        ):
            self.assertShows(browser, MARKUP[0], selector)
        self.assertHarmless(browser)
        # What the daemon says to a change is as hostile.
        self.fill(browser, "#open-source", "192.0.2.7")
        self.click(browser, "#open-submit")
        self.assertShows(browser, MARKUP[0], "#open-notice")
        self.click(browser, "#opening-rows [data-action=extend]")
        self.assertShows(browser, MARKUP[0], "#extend[open] h2")
        self.click(browser, "#extend-submit")
        self.assertShows(browser, MARKUP[0], "#extend-notice")
        self.assertHarmless(browser, "api/openings - Failed to load resource")

    def makeDaemon(self, texts: tuple[str, ...]) -> FakeAdmin:
        """Return a daemon all of whose texts are these, or one of these."""
        admin = FakeAdmin()
        more = {"trusted": list(texts), "pending": list(texts)}
        admin.doors = [makeDoor(text, text, lock=text, **more) for text in texts]
        said = ("user", "key", "trouble", "asked_from", "via")
        admin.openings = [
            makeOpening(text, text, 600.0, **dict.fromkeys(said, text)) for text in texts
        ]
        admin.firewall = texts[0]
        admin.troubles, admin.pending = list(texts), list(texts)
        admin.answers["POST", "/openings"] = (503, {"error": texts[0]})
        return admin

    def makeHost(self, text: str) -> dict[str, object]:
        """Return a host of a fleet that reports this."""
        lists = {name: [text] for name in ("doors", "troubles", "not_reading")}
        numbers = {"openings": 1, "seconds_behind": 1.0, "dropped": 1, "clock_ahead": 0.0}
        return {"host": text, "up": True, "version": text, **lists, **numbers}
