"""Draws C{pkdoors watch}: tables with one line for each opening and event."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from pkdoors.admin.records import DoorRecord, EventRecord
from pkdoors.adminclient.messages import formatPorts
from pkdoors.adminclient.watchmodel import Bar, Board
from pkdoors.events.event import (
    CLOSED,
    ERRORS,
    EXTENDED,
    OPENED,
    REFUSED,
    TAKEN_OVER,
    USED,
    WARNINGS,
)
from pkdoors.util.durations import formatLength

if TYPE_CHECKING:  # it takes long to load
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

MAX_DOOR, MAX_WHO = 12, 20
"""Columns for a door's name and for who opened it: the bar needs the rest."""

MIN_BAR = 8

MAX_WRAPPED = 3
"""Lines for the doors, or for a trouble, if the terminal is high enough."""
LINES_FOR_WRAPPED = 8
"""Lines of the terminal for each of those."""

_JOINT = "\xa0"
"""Replaces a blank at which no line may end."""

_LAST = 0.25
"""The bar of an opening warns when this share of its time is left."""

STYLES = {
    **dict.fromkeys((OPENED, EXTENDED, TAKEN_OVER), "green"),
    **dict.fromkeys(WARNINGS | {REFUSED}, "yellow"),
    **dict.fromkeys(ERRORS, "red"),
    **dict.fromkeys((CLOSED, USED), "dim"),
}


@dataclass(frozen=True, slots=True)
class View:
    """
    Draws a board.

    @ivar isAscii: whether the terminal can only show ASCII.
    """

    width: int
    height: int
    isAscii: bool = False

    def draw(self, board: Board, now: float) -> "RenderableType":
        """Return the daemon, the openings, and the last events, the newest first."""
        from rich.console import Group

        head = self._head(board, now)
        room = max(0, self.height - len(head) - 3)  # two titles, and a line between
        bars = board.bars(now)
        events = len(board.events) + bool(board.deafness)
        # The openings get what the events do not need, and at least two thirds.
        openRoom = max(min(len(bars), room - min(events, room // 3)), min(1, room))
        return Group(
            *head,
            *self._openings(bars, openRoom, board.status.count()),
            self._line(""),
            self._title("LAST EVENTS", "q ends the watch"),
            *self._events(board, room - openRoom),
        )

    def _head(self, board: Board, now: float) -> list["Text"]:
        status, rate = board.status, board.knocksPerSecond()
        doors = [_describeDoor(door).replace(" ", _JOINT) for door in status.doors]
        knocks = "" if rate is None else f"{rate:.1f} knocks/s"
        uptime = "" if board.trouble else f"up {formatLength(board.uptime(now))}, "
        name = f"pkdoors {status.version}, {uptime}{status.firewall}"
        lines = [self._title(name, knocks), *self._wrap(", ".join(doors))]
        if board.trouble:
            lines += self._wrap(f"No answer, trying again: {board.trouble}", "bold red")
        return [*lines, self._line("")]

    def _openings(self, bars: Sequence[Bar], room: int, count: int) -> list["RenderableType"]:
        lines: list[RenderableType] = [self._title(f"OPEN ({count})", "")]
        shown = bars if count <= room else bars[: max(0, room - 1)]
        if shown:
            lines.append(self._tabulate(shown))
        if len(shown) < count:
            lines.append(self._line(f"and {count - len(shown)} more, which end later", "dim"))
        elif not bars and room:
            lines.append(self._line("no door is open", "dim"))
        return lines

    def _tabulate(self, bars: Sequence[Bar]) -> "Table":
        table = self._makeTable()
        table.add_column(max_width=MAX_DOOR)
        table.add_column(no_wrap=True)  # addresses are never cut: other columns shrink first
        table.add_column(no_wrap=True, justify="right")
        table.add_column(max_width=MAX_WHO)
        table.add_column(width=MIN_BAR, ratio=1)  # at least so wide
        for bar in bars:
            opening = bar.opening
            style = "red" if opening.trouble else ""
            texts = (opening.door, opening.source, formatLength(bar.left), opening.who or "-")
            words = opening.trouble or ("used" if opening.used else "")
            rest = self._line(words) if words else _drawBar(bar)
            table.add_row(*map(self._line, texts), rest, style=style)
        return table

    def _events(self, board: Board, room: int) -> list["RenderableType"]:
        table = self._makeTable()
        table.add_column(style="dim", no_wrap=True)
        table.add_column(min_width=14)  # the longest kind, so nothing moves
        table.add_column(ratio=1)
        lines: list[RenderableType] = []
        if board.deafness and not board.trouble and room:
            lines.append(self._line(f"No events come: {board.deafness}", "bold red"))
        for event in list(reversed(board.events))[: room - len(lines)]:
            style = STYLES.get(event.kind, "")
            table.add_row(
                f"{event.time.astimezone():%H:%M:%S}",
                self._line(event.kind, style),
                self._line(describeEvent(event), style),
            )
        if table.rows:
            lines.append(table)
        return lines or [self._line("none yet", "dim")]

    def _makeTable(self) -> "Table":
        from rich.table import Table

        return Table.grid(padding=(0, 2, 0, 0), expand=True)

    def _title(self, left: str, right: str) -> "Text":
        line = self._line(left, "bold")
        line.truncate(self.width)
        room = self.width - line.cell_len - 2
        if right and len(right) <= room:
            line.append(right.rjust(room + 2), "dim")
        return line

    def _wrap(self, text: str, style: str = "") -> list["Text"]:
        """Return a few lines, if there is room; the last one is cut if need be."""
        limit = max(1, min(MAX_WRAPPED, self.height // LINES_FOR_WRAPPED))
        lines = wrap(text, max(1, self.width), break_on_hyphens=False) or [""]
        if len(lines) >= limit:
            lines[limit - 1 :] = [" ".join(lines[limit - 1 :])]
        return [self._line(line.replace(_JOINT, " "), style) for line in lines]

    def _line(self, text: str, style: str = "") -> "Text":
        """Return a text that is cut if there is no room for it, and never wrapped."""
        from rich.text import Text

        return Text(text, style, no_wrap=True, overflow="crop" if self.isAscii else "ellipsis")


_FINGERPRINT = re.compile(r"(SHA256:[A-Za-z0-9+/]{8})[A-Za-z0-9+/=]+")
"""Of a key; its beginning is enough to recognize it."""


def _drawBar(bar: Bar) -> "RenderableType":
    from rich.progress_bar import ProgressBar

    style = "green" if bar.left > _LAST * bar.full else "yellow"
    return ProgressBar(bar.full or 1.0, bar.left, complete_style=style, finished_style=style)


def _describeDoor(door: DoorRecord) -> str:
    state = f"open for {door.openings}" if door.openings else "closed"
    return f"{door.name} {formatPorts(door.ports)} {state}"


def _namesWho(event: EventRecord) -> bool:
    """Return whether the reason says already who it was: its end, or a key in brackets follows."""
    return bool(event.who) and f" of {event.who} (" in f"{event.reason} ("


def describeEvent(event: EventRecord) -> str:
    """Return a text as short as possible. The address and the reason come first, the rest may be
    cut."""
    if not event.door and not event.reason:
        return event.text
    subject = f"{event.door} for {event.source}" if event.source else event.door
    isOpening = event.kind in (OPENED, EXTENDED, TAKEN_OVER)
    seconds = formatLength(event.seconds) if isOpening else ""
    who = "" if _namesWho(event) else event.who
    text = ", ".join(part for part in (subject, seconds, event.reason, who) if part)
    return _FINGERPRINT.sub(r"\1...", text)
