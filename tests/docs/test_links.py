"""Each link on a page leads somewhere, also where the code host shows the page."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT
from tests.lab.pages import listPages

_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_GENERATED = ("commands/", "configuration-reference", "start")
"""Pages that the manual makes when it is built; Sphinx checks these links."""


def anchorsOf(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and myst-parser make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }


class LinkTests(SynchronousTestCase):
    """
    All pages.
    """

    def test_links(self) -> None:
        """Links to other files lead to a file, and those with an anchor to a heading."""
        count, faults = 0, []
        for page in listPages():
            for link in _LINK.findall(page.read_text()):
                if re.match(r"https?:|mailto:", link):
                    continue
                count += 1
                name, _, anchor = link.partition("#")
                target = page.parent / name if name else page
                if name.startswith(_GENERATED) and not target.exists():
                    continue
                isThere = target.exists() and target.resolve().is_relative_to(ROOT.resolve())
                if isThere and anchor and target.suffix == ".md":
                    isThere = anchor in anchorsOf(target)
                if not isThere:
                    faults.append(f"{page.name}: {link}")
        self.assertGreater(count, 80)
        self.assertEqual([], faults)

    def test_figures(self) -> None:
        """Each page is linked from another one, or from README.md."""
        texts = {page: page.read_text() for page in listPages()}
        for page in texts:
            others = [text for other, text in texts.items() if other != page]
            isLinked = any(f"{page.name}" in text or page.stem in text for text in others)
            self.assertTrue(isLinked or page.name in ("README.md", "index.md"), page.name)
