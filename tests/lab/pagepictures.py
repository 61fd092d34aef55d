"""
Makes the pictures of the operator's page in the manual, C{docs/pictures/page-*.png}.
C{script/record} makes those again that are stale.

A picture of the same page is never the same twice on another machine, with other fonts. So each one
has a note of what was on the page when it was made: its elements, their text, and its style sheets.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import ROOT
from tests.lab.browser import NARROW, WIDE, Browser
from tests.lab.hosts import BIN, Network, eventually
from tests.lab.operatorpage import findLink
from tests.lab.pagescene import Scene
from tests.lab.png import readNote, shrink

FOLDER = ROOT / "docs" / "pictures"
SHAPES = {
    f"page-{width}-{scheme}.png": (width, scheme)
    for width in (NARROW, WIDE)
    for scheme in ("light", "dark")
}
"""The names of the pictures -> how wide the page is, and its colours."""
HEIGHT = 1270
"""Pixels that are shown of the page."""

_READ = """
const sheets = [...document.styleSheets].flatMap(sheet => [...sheet.cssRules]);
return document.body.outerHTML + sheets.map(rule => rule.cssText).join("");
"""
_READY = """
return document.getElementById("connection").dataset.state === "live"
    && document.getElementById("event-rows").children.length === arguments[0]
    && document.getElementById("host-rows").children.length > 0
    && document.querySelectorAll("#knocks-charts svg").length > 0;
"""


def makePictures() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Yield the name of each picture, a digest of what it shows, and what makes it."""
    with TemporaryDirectory(prefix="pkdoors-") as folder, Network(Path(folder)) as network:
        host, scene = network.server, Scene(Path(folder))
        web = host.spawn(
            *(str(BIN / "pkdoors"), "web", "--no-browser", "--admin", scene.admin.path)
        )
        browser = Browser(host)
        try:
            scene.prepare(browser)
            browser.open(str(eventually(lambda: findLink(web))))
            count = scene.tell()
            if not browser.eventually(_READY, count):
                raise AssertionError(browser.text())
            for name, (width, scheme) in SHAPES.items():
                browser.prefer(scheme)
                browser.resize(width, HEIGHT)
                digest = sha256(str(browser.run(_READ)).encode()).hexdigest()
                yield name, digest, browser.picture
        finally:
            browser.close()
            scene.admin.stop()


def main() -> None:
    """Make those pictures again that are stale."""
    for name, digest, draw in makePictures():
        file = FOLDER / name
        if not file.exists() or readNote(file.read_bytes()) != digest:
            file.write_bytes(shrink(draw(), digest))


if __name__ == "__main__":
    main()
