"""What README.md and the manual's pages show, so that tests hold it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
OPERATING = DOCS / "operating.md"


class Part(NamedTuple):
    """
    A part of a page.

    @ivar place: the file, relative to the project, and the line.
    @ivar text: without what makes it code, a heading or an item.
    @ivar language: of a block of code with a fence: what stands after that.
    """

    place: str
    text: str
    language: str = ""


def listPages() -> list[Path]:
    """Return README.md and all hand-written pages."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


@cache
def _parse(page: Path) -> list[tuple[str, Token]]:
    """Return the parts of a page, with their places."""
    line, found = 0, []
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        line = token.map[0] if token.map else line
        found.append((f"{page.relative_to(ROOT)}:{line + 1}", token))
    return found


def readBlocks(page: Path) -> Iterator[Part]:
    """Yield all blocks of code, but not the directives of the manual."""
    for place, token in _parse(page):
        if token.type in ("fence", "code_block") and not token.info.startswith("{"):
            yield Part(place, token.content, token.info.strip())


def readInline(page: Path) -> Iterator[Part]:
    """Yield all code in sentences, items and tables."""
    for place, token in _parse(page):
        for child in token.children or ():
            if child.type == "code_inline":
                yield Part(place, child.content)


def readProse(page: Path) -> Iterator[Part]:
    """Yield the paragraphs, headings, items and cells, with dots in place of code."""
    for place, token in _parse(page):
        if token.type == "inline":
            words = (
                "…" if each.type == "code_inline" else each.content or " "
                for each in token.children or ()
            )
            yield Part(place, "".join(words))


def block(first: str, page: Path = README) -> str:
    """Return the block of code that begins with this."""
    found = [part.text for part in readBlocks(page) if part.text.startswith(first)]
    assert len(found) == 1, (first, page, len(found))
    return found[0]
