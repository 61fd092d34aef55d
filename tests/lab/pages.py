"""What README.md and the manual's pages show, so that tests hold it."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from tests import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
OPERATING = DOCS / "operating.md"

_FENCED = re.compile(r"^( *)(```+|~~~+)([^\n`]*)\n(.*?)^\1\2[ \t]*$", re.M | re.S)
_INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}|\t).*\n|[ \t]*\n(?= {4}))+")
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


class Block(NamedTuple):
    """
    A block of code.

    @ivar place: the file, relative to the project, and the line.
    @ivar language: what stands after the fence; empty for an indented block.
    """

    place: str
    language: str
    text: str


def listPages() -> list[Path]:
    """Return README.md and all hand-written pages."""
    return [README, *sorted(DOCS.glob("*.md"))]


def readBlocks(page: Path) -> Iterator[Block]:
    """Yield all blocks of code on a page."""
    text = page.read_text()
    for match in _FENCED.finditer(text):
        yield Block(_place(page, text, match.start()), match[3].strip(), dedent(match[4]))
    for match in _INDENTED.finditer(_without(text, _FENCED)):
        yield Block(_place(page, text, match.start()), "", dedent(match[0]))


def readInline(page: Path) -> Iterator[Block]:
    """Yield all code in sentences and tables."""
    text = page.read_text()
    for match in _INLINE.finditer(_without(_without(text, _FENCED), _INDENTED)):
        yield Block(_place(page, text, match.start()), "", " ".join(match[1].split()))


def readProse(page: Path) -> Iterator[Block]:
    """Yield the paragraphs, headings, items and cells of a page, without what is code."""
    text = page.read_text()
    bare = _without(_without(text, _FENCED), _INDENTED)
    for match in re.finditer(r"(?:[^\n]+\n?)+", bare):
        for part in re.finditer(r"(?:(?!\n *(?:[-*]|\d+\.|\|) )[^|])+", match[0]):
            words = part[0].strip()
            if re.search(r"\w", words):
                yield Block(_place(page, text, match.start() + part.start()), "", words)


def block(first: str, page: Path = README) -> str:
    """Return the block of code that begins with this."""
    found = [text for _, _, text in readBlocks(page) if text.startswith(first)]
    assert len(found) == 1, (first, page, len(found))
    return found[0].rstrip("\n") + "\n"


def _without(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text with as many blanks and lines in place of what the pattern finds."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _place(page: Path, text: str, start: int) -> str:
    return f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, start) + 1}"
