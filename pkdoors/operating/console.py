"""Standard output, for what is in colour on a terminal."""

import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes long to load
    from rich.console import Console

WIDE = 10_000
"""Columns where it is no terminal: nothing is cut there."""


def makeConsole(environment: Mapping[str, str]) -> "Console":
    """
    A console that has colours on a terminal only, and none where C{NO_COLOR} is set. What its
    encoding lacks becomes a question mark.
    """
    from rich.console import Console

    # A shell's COLUMNS would stay what it was when the window gets another size.
    kept = {key: environment[key] for key in environment if key not in ("COLUMNS", "LINES")}
    isTerminal = sys.stdout.isatty()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(
        file=sys.stdout,
        force_terminal=isTerminal,
        color_system="auto" if isTerminal and not environment.get("NO_COLOR") else None,
        width=None if isTerminal else WIDE,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=kept,
    )
