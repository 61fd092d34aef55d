"""Standard output, for what is in colour on a terminal."""

from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from pkdoors.util.oneline import printable
from pkdoors.util.output import getRawOutput

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
    from rich.segment import Segment

    class CleanConsole(Console):
        """Draws nothing that steers the terminal, but what it does so itself."""

        def render(self, *arguments: Any, **more: Any) -> Iterator[Segment]:
            """See rich's: all that is drawn comes through here."""
            for text, style, control in super().render(*arguments, **more):
                yield Segment(text if control else printable(text, "\n\t"), style, control)

    output = getRawOutput()
    # A shell's COLUMNS would stay what it was when the window gets another size.
    kept = {key: environment[key] for key in environment if key not in ("COLUMNS", "LINES")}
    isTerminal = output.isatty()
    if isinstance(output, TextIOWrapper):
        output.reconfigure(errors="replace")
    return CleanConsole(
        file=output,
        force_terminal=isTerminal,
        color_system="auto" if isTerminal and not environment.get("NO_COLOR") else None,
        width=None if isTerminal else WIDE,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=kept,
    )
