"""What README.md shows, so that tests hold it."""

import re
from pathlib import Path
from textwrap import dedent

from tests import ROOT

README = ROOT / "README.md"


def block(first: str, page: Path = README) -> str:
    """The indented block of lines that begins so."""
    found = re.search(rf"^    {re.escape(first)}.*\n(?:(?:    .*)?\n)*", page.read_text(), re.M)
    assert found is not None, first
    return dedent(found[0]).rstrip("\n") + "\n"
