"""C{pkdoors watch} on a terminal: lines that are never longer than it is wide."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from pkdoors.adminclient.messages import length
from pkdoors.adminclient.responses import DoorState, Happening
from pkdoors.adminclient.watchmodel import Bar, Board
from pkdoors.events.event import CLOSED, ERRORS, EXTENDED, OPENED, REFUSED, TAKEN_OVER, WARNINGS
from pkdoors.util.durations import formatDuration

if TYPE_CHECKING:  # it takes long to load
    from rich.text import Text

MAX_DOOR, MAX_WHO = 12, 20
"""Columns for a door's name and for who opened it, where an address needs the rest."""

MIN_BAR = 8

MAX_WRAPPED = 3
"""Lines that the doors, or a trouble, may have, where the terminal is high enough."""
LINES_FOR_WRAPPED = 8
"""Lines of the terminal for each of those."""

_TOGETHER = "\xa0"
"""In place of a blank where no line is to end."""

_LAST = 0.25
"""The share of its time from which on an opening's bar warns."""

_STYLES = {
    **dict.fromkeys((OPENED, EXTENDED, TAKEN_OVER), "green"),
    **dict.fromkeys(WARNINGS | {REFUSED}, "yellow"),
    **dict.fromkeys(ERRORS, "red"),
    CLOSED: "dim",
}


@dataclass(frozen=True, slots=True)
class View:
    """
    Draws a board.

    @ivar isAscii: whether the terminal can show nothing else.
    """

    width: int
    height: int
    isAscii: bool = False

    def lines(self, board: Board, now: float) -> list["Text"]:
        """
        All of it: the daemon, what is open, and what happened last, the newest first.
        """
        head = self._head(board, now)
        room = max(0, self.height - len(head) - 3)  # two titles, and a line between
        bars = board.bars(now)
        told = len(board.events) + bool(board.deafness)
        openRoom = max(min(len(bars), room - min(told, room // 3)), min(1, room))
        return [
            *head,
            *self._openings(bars, openRoom),
            self._line(""),
            self._titled("LAST EVENTS", "Ctrl-C ends the watch"),
            *self._events(board, room - openRoom),
        ][: self.height]

    def _head(self, board: Board, now: float) -> list["Text"]:
        status, rate = board.status, board.knocksPerSecond()
        doors = [_state(door).replace(" ", _TOGETHER) for door in status.doors]
        knocks = "" if rate is None else f"{rate:.1f} knocks/s"
        name = f"pkdoors {status.version}, up {length(board.uptime(now))}, {status.firewall}"
        if board.trouble:
            name = f"pkdoors {status.version}, {status.firewall}"
        lines = [self._titled(name, knocks), *self._wrapped(", ".join(doors))]
        if board.trouble:
            lines += self._wrapped(f"No answer, trying again: {board.trouble}", "bold red")
        return [*lines, self._line("")]

    def _openings(self, bars: Sequence[Bar], room: int) -> list["Text"]:
        shown = bars if len(bars) <= room else bars[: max(0, room - 1)]
        widths = self._widths(shown)
        lines = [self._titled(f"OPEN ({len(bars)})", "")]
        lines += [self._bar(bar, widths) for bar in shown]
        if len(shown) < len(bars):
            lines.append(self._line(f"and {len(bars) - len(shown)} more, which end later", "dim"))
        return lines if bars or not room else [*lines, self._line("no door is open", "dim")]

    def _widths(self, bars: Sequence[Bar]) -> tuple[int, int, int, int]:
        """The columns for door, address, time and who."""

        def widest(texts: Sequence[str]) -> int:
            return max(map(len, texts), default=0)

        address = widest([bar.opening.source for bar in bars])
        left = widest([length(bar.left) for bar in bars])
        rest = max(0, self.width - address - left - MIN_BAR - 8)  # 8: two between columns
        door = min(rest, MAX_DOOR, widest([bar.opening.door for bar in bars]))
        who = min(rest - door, MAX_WHO, widest([_who(bar) for bar in bars]))
        return door, address, left, who

    def _bar(self, bar: Bar, widths: tuple[int, int, int, int]) -> "Text":
        door, address, left, who = widths
        style = "red" if bar.opening.trouble else ""
        line = self._cell(bar.opening.door, door, style)
        line.append_text(self._cell(bar.opening.source, address, style))
        line.append_text(self._cell(length(bar.left).rjust(left), left, style))
        line.append_text(self._cell(_who(bar), who, style))
        if bar.opening.trouble:
            line.append(bar.opening.trouble, style)
        else:
            line.append_text(self._drawn(bar, self.width - line.cell_len))
        return self._cut(line)

    def _drawn(self, bar: Bar, width: int) -> "Text":
        from rich.text import Text

        share = bar.left / bar.full if bar.full else 0.0
        full = min(width, round(share * width))
        style = "green" if share > _LAST else "yellow"
        done, rest = ("#", "-") if self.isAscii else ("\u2501", "\u2500")
        return Text.assemble((done * full, style), (rest * (width - full), "dim"))

    def _events(self, board: Board, room: int) -> list["Text"]:
        newest = list(reversed(board.events))[:room]
        lines = [self._event(each) for each in newest]
        if board.deafness and not board.trouble:
            lines.insert(0, self._line(f"No events come: {board.deafness}", "bold red"))
        return lines[:room] or [self._line("none yet", "dim")]

    def _event(self, event: Happening) -> "Text":
        style = _STYLES.get(event.kind, "")
        line = self._cell(f"{event.time.astimezone():%H:%M:%S}", 8, "dim")
        line.append_text(self._cell(event.kind, 14, style))
        line.append(_told(event), style)
        return self._cut(line)

    def _titled(self, left: str, right: str) -> "Text":
        line = self._line(left, "bold")
        room = self.width - line.cell_len - 2
        if right and len(right) <= room:
            line.append(right.rjust(room + 2), "dim")
        return line

    def _wrapped(self, text: str, style: str = "") -> list["Text"]:
        """A few lines, where there is room; the last of them is cut where it must be."""
        most = max(1, min(MAX_WRAPPED, self.height // LINES_FOR_WRAPPED))
        lines = wrap(text, max(1, self.width), break_on_hyphens=False) or [""]
        lines[most - 1 :] = [" ".join(lines[most - 1 :])] if len(lines) >= most else []
        return [self._line(each.replace(_TOGETHER, " "), style) for each in lines]

    def _line(self, text: str, style: str = "") -> "Text":
        from rich.text import Text

        return self._cut(Text(text, style))

    def _cut(self, line: "Text") -> "Text":
        line.no_wrap = True
        line.truncate(self.width, overflow="crop" if self.isAscii else "ellipsis")
        return line

    def _cell(self, text: str, width: int, style: str) -> "Text":
        """A column, with two blanks after it; without a width there is none."""
        from rich.text import Text

        if not width:
            return Text()
        cell = Text(text, style)
        cell.truncate(width, overflow="crop" if self.isAscii else "ellipsis", pad=True)
        return Text.assemble(cell, "  ")


def _state(door: DoorState) -> str:
    how = f"open for {door.openings}" if door.openings else "closed"
    return f"{door.name} {door.ports} {how}"


def _who(bar: Bar) -> str:
    return bar.opening.who or "-"


def _told(event: Happening) -> str:
    """What happened, as short as possible: the address comes first, the rest may be cut."""
    if not event.door and not event.reason:
        return event.text
    subject = f"{event.door} for {event.source}" if event.source else event.door
    seconds = event.kind in (OPENED, EXTENDED, TAKEN_OVER) and formatDuration(round(event.seconds))
    return ", ".join(each for each in (subject, seconds, event.who, event.reason) if each)
