"""What Sphinx's builder of manual pages leaves to be done: see C{man-pages(7)}."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes

_SPACE_BELOW_HEADING = re.compile(r"^(\.S[HS] .*\n)\.sp\n", re.MULTILINE)


def connect(app: Any) -> None:
    """Connect the handlers of manual pages to the events of Sphinx."""
    app.connect("builder-inited", _begin)
    app.connect("build-finished", _finish)


def _begin(app: Any) -> None:
    if app.builder.name == "man":
        app.config.copyright = ""  # it would be a section of its own
        app.connect("doctree-resolved", _replaceLinks)


def _replaceLinks(app: Any, document: Any, name: str) -> None:
    """Put the names of other pages in bold: there is nothing to click."""
    for link in [*document.findall(nodes.reference)]:
        if "refuri" not in link or "://" not in link["refuri"]:
            link.replace_self(nodes.strong("", link.astext()))


def _finish(app: Any, error: Exception | None) -> None:
    """Remove spaces that have no effect, and of which mandoc(1) complains."""
    if error is None and app.builder.name == "man":
        for page in Path(app.outdir).glob("*.[1-8]"):
            page.write_text(_SPACE_BELOW_HEADING.sub(r"\1", page.read_text()))
