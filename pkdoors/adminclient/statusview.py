"""How things stand, as tables for people."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pkdoors.adminclient.messages import droppedText, length, troubleLines
from pkdoors.adminclient.responses import DoorState, OpeningState, Status

if TYPE_CHECKING:  # it takes long to load
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def statusText(status: Status, console: "Console") -> str:
    """
    All of it, in lines that fit the console.
    """
    with console.capture() as captured:
        for part in _parts(status):
            console.print(part)
    # Tables fill their cells up with blanks.
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _parts(status: Status) -> Iterable["Table | Text"]:
    from rich.text import Text

    up = f"up {length(status.uptime)}"
    yield Text(f"pkdoors {status.version}, {up}, firewall: {status.firewall}\n")
    if status.troubles:
        lines = [f"degraded: {each}" for each in status.troubles]
        yield Text("\n".join((*lines, "")), style="red")
    yield _doors(status.doors)
    yield Text()
    yield _openings(status.openings) if status.openings else Text("no door is open")
    if any(status.dropped.values()):
        yield Text(f"\ndropped unheard: {droppedText(status.dropped)}")
    troubles = troubleLines(status.openings)
    if troubles:
        yield Text("\n".join(("", *troubles)), style="red")


def _doors(doors: Sequence[DoorState]) -> "Table":
    table = _table("DOOR", "PORTS", "LOCK", "OPEN FOR", "A KNOCK GETS")
    for door in doors:
        _row(
            table,
            *(door.name, door.ports, door.lock, _count(door.openings)),
            f"{length(door.openFor)}, at most {length(door.maxOpenFor)}",
            style="green" if door.openings else "",
        )
    return table


def _count(openings: int) -> str:
    return {0: "nobody", 1: "1 address"}.get(openings, f"{openings} addresses")


def _openings(openings: Sequence[OpeningState]) -> "Table":
    table = _table("OPEN", "ADDRESS", "TIME LEFT", "WHO")
    for column in table.columns[1:3]:
        column.no_wrap = True
    for each in openings:
        _row(
            table,
            *(each.door, each.source, length(each.secondsLeft), each.who or "-"),
            style="red" if each.trouble else "",
        )
    return table


def _table(*titles: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _row(table: "Table", *cells: str, style: str = "") -> None:
    from rich.text import Text

    # Not as they are: in brackets there may be what looks like markup.
    table.add_row(*map(Text, cells), style=style)
