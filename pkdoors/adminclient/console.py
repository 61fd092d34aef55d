"""Standard output, for text that is coloured on a terminal."""

from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from pkdoors.util.oneline import printable
from pkdoors.util.output import getRawOutput

if TYPE_CHECKING:  # it takes long to load
    from rich.console import Console

PLAIN_WIDTH = 10_000
"""Columns if the output is not a terminal: nothing is cut there."""


def makeConsole(environment: Mapping[str, str]) -> "Console":
    """
    Return a console that has colours only on a terminal, and none if C{NO_COLOR} is set. It writes
    a question mark for each character that its encoding lacks.
    """
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        """Writes no control sequences but its own."""

        def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
            """See rich's C{Console.render}. All output passes here."""
            for text, style, control in super().render(*arguments, **options):
                yield Segment(text if control else printable(text, "\n\t"), style, control)

    output = getRawOutput()
    # A shell's COLUMNS would stay the same when the window is resized.
    kept = {key: environment[key] for key in environment if key not in ("COLUMNS", "LINES")}
    isTerminal = output.isatty()
    if isinstance(output, TextIOWrapper):
        output.reconfigure(errors="replace")
    return CleanConsole(
        file=output,
        force_terminal=isTerminal,
        color_system="auto" if isTerminal and not environment.get("NO_COLOR") else None,
        width=None if isTerminal else PLAIN_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=kept,
    )
