"""The links of README and of the manual, as code hosts follow them."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT

PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


def tokens(page: Path) -> Iterator[Token]:
    """Return all tokens of a page, those inside paragraphs too."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        yield token
        yield from token.children or ()


def links(page: Path) -> Iterator[str]:
    """Return where a page's links and pictures lead."""
    for token in tokens(page):
        if token.type in ("link_open", "image"):
            yield str(token.attrs.get("href") or token.attrs.get("src"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what a link to a page can name: headings as code hosts name them, and C{<a id>}."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    before = None
    for token in tokens(page):
        if before and before.type == "heading_open":
            text = "".join(child.content for child in token.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        if token.type in ("html_inline", "html_block"):
            found.update(re.findall(r'<a (?:id|name)="([^"]+)"', token.content))
        before = token
    return frozenset(found)


def findBroken(page: Path) -> Iterator[str]:
    """Return the links of a page that lead nowhere."""
    for link in links(page):
        if re.match("[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        goal = (page.parent / name).resolve() if name else page
        if not goal.exists():
            yield link
        elif anchor and (goal.suffix != ".md" or anchor not in anchors(goal)):
            yield link


class LinkTests(SynchronousTestCase):
    """
    What C{script/manual} checks, and README.
    """

    def test_links(self) -> None:
        """Each link leads to a file that exists, and to a heading in it."""
        broken = {str(page.relative_to(ROOT)): [*findBroken(page)] for page in PAGES}
        self.assertEqual({}, {page: links for page, links in broken.items() if links})

    def test_found(self) -> None:
        """A link that leads nowhere is found."""
        page = Path(f"{self.mktemp()}.md").absolute()
        page.write_text("# A `b` c?\n\n[1](#a-b-c) [2](#nothing) [3](nothing.md) ![4](no.svg)\n")
        self.assertEqual(["#nothing", "nothing.md", "no.svg"], [*findBroken(page)])

    def test_within(self) -> None:
        """A page of the manual leads to no text outside: the built manual does not have that."""
        docs = ROOT / "docs"
        strays = [
            f"{page.name}: {link}"
            for page in PAGES
            if page.is_relative_to(docs)
            for link in links(page)
            if not re.match("[a-z]+:|#", link)
            and link.partition("#")[0].endswith(".md")
            and not (page.parent / link.partition("#")[0]).resolve().is_relative_to(docs)
        ]
        self.assertEqual([], strays)
