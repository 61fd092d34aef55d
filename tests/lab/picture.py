"""Pictures of terminals, as SVG, which need no font from elsewhere."""

import re
from collections.abc import Iterable
from io import StringIO
from xml.etree import ElementTree

from pyte.screens import Char, Screen
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

_FONT_FILES = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
_NOTE = "    <!-- Generated with Rich https://www.textualize.io -->\n"
_FORMAT = _FONT_FILES.sub("", CONSOLE_SVG_FORMAT.replace(_NOTE, "")).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)
_NAMES = {"default": None, "brown": "yellow"}
"""pyte's names of colours -> rich's, if they differ."""


def readScreen(screen: Screen) -> list[Text]:
    """Return the lines of a terminal's screen, as they look."""
    lines = []
    for number in range(screen.lines):
        line = Text()
        for column in range(screen.columns):
            char = screen.buffer[number][column]
            line.append(char.data, _styleOf(char))
        line.rstrip()
        lines.append(line)
    return lines


def _styleOf(char: Char) -> Style:
    colour = _NAMES.get(char.fg, char.fg)
    if colour and re.fullmatch("[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    return Style(
        color=colour.replace("bright", "bright_") if colour else None,
        bold=char.bold or None,
        reverse=char.reverse or None,
    )


def draw(lines: Iterable[Text], columns: int, title: str) -> str:
    """Return a picture of a terminal that shows these lines."""
    console = Console(
        record=True, width=columns, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop")
    return console.export_svg(title=title, code_format=_FORMAT, unique_id="pkdoors")


def readPicture(picture: str) -> list[str]:
    """Return the lines of text in a picture, without its title."""
    found: dict[float, list[tuple[float, str]]] = {}
    for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        if not element.get("class", "").endswith("-title"):
            place = float(element.attrib["x"]), "".join(element.itertext())
            found.setdefault(float(element.attrib["y"]), []).append(place)
    lines = ["".join(text for _, text in sorted(found[height])) for height in sorted(found)]
    return [line.replace("\xa0", " ").rstrip() for line in lines if line.strip()]
