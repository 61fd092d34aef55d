"""The daemon's status as tables."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pkdoors.admin.records import DoorRecord, OpeningRecord, StatusRecord
from pkdoors.adminclient.messages import (
    describeDropped,
    describeTroubles,
    describeTrusted,
    formatPorts,
)
from pkdoors.util.durations import formatLength

if TYPE_CHECKING:  # it takes long to load
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def formatStatus(status: StatusRecord, console: "Console") -> str:
    """Return the whole status, in lines that fit the console."""
    return drawParts(_makeParts(status), console)


def drawParts(parts: "Iterable[Table | Text]", console: "Console") -> str:
    """Return tables and texts in lines that fit the console."""
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    # Tables fill their cells up with blanks.
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _makeParts(status: StatusRecord) -> Iterable["Table | Text"]:
    from rich.text import Text

    uptime = f"up {formatLength(status.uptime)}"
    listen = f", listen: {status.listen}" if status.listen else ""
    yield Text(f"pkdoors {status.version}, {uptime}, firewall: {status.firewall}{listen}\n")
    if status.troubles:
        lines = [f"degraded: {trouble}" for trouble in status.troubles]
        yield Text("\n".join((*lines, "")), style="red")
    if status.pending:
        changes = "; ".join(status.pending)
        text = f"the configuration file has changes that were not reloaded: {changes}\n"
        yield Text(text, style="yellow")
    networks = Counter(
        opening.door for opening in status.openings if "/" in opening.source and not opening.used
    )
    yield _tabulateDoors(status.doors, networks)
    yield from (Text(line) for line in describeTrusted(status.doors))
    yield Text()
    if status.openings:
        yield _tabulateOpenings(status.openings)
    if left := status.count() - len(status.openings):
        yield Text(f"and {left:,} more, which end later: --all, --door and --within show them")
    elif not status.openings:
        yield Text("no door is open")
    if any(status.counters.dropped.values()):
        yield Text(f"\ndropped before they were heard: {describeDropped(status.counters.dropped)}")
    troubles = describeTroubles(status.openings)
    if troubles:
        yield Text("\n".join(("", *troubles)), style="red")


def _tabulateDoors(doors: Collection[DoorRecord], networks: Counter[str]) -> "Table":
    table = makeTable("DOOR", "PORTS", "LOCK", "OPEN FOR", "A KNOCK GETS")
    for door in doors:
        times = f"{formatLength(door.openFor)}, at most {formatLength(door.maxOpenFor)}"
        cells = (
            door.name,
            formatPorts(door.ports),
            _describeLock(door),
            _countSources(door.openings, max(door.networks, networks[door.name])),
            times,
        )
        addRow(table, cells, "green" if door.openings else "")
    return table


def _describeLock(door: DoorRecord) -> str:
    if not door.listens:
        return "sealed, fleet only"
    return f"{door.lock}, fleet" if door.fleet else door.lock


def _countSources(openings: int, networks: int) -> str:
    """Return whom a door is open for, in numbers."""
    addresses = openings - networks
    parts = [f"{addresses} address{'es' * (addresses != 1)}"] if addresses else []
    parts += [f"{networks} network{'s' * (networks != 1)}"] if networks else []
    return ", ".join(parts) or "nobody"


def _tabulateOpenings(openings: Collection[OpeningRecord]) -> "Table":
    table = makeTable("OPEN", "ADDRESS", "TIME LEFT", "WHO")
    for column in table.columns[1:3]:
        column.no_wrap = True
    for opening in openings:
        left = "used" if opening.used else formatLength(opening.secondsLeft)
        left += ", for one connection" * (opening.uses == "once" and not opening.used)
        cells = (opening.door, opening.source, left, opening.who or "-")
        addRow(table, cells, "red" if opening.trouble else "dim" if opening.used else "")
    return table


def makeTable(*titles: str) -> "Table":
    """Return a table without lines."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def addRow(table: "Table", cells: Iterable[str], style: str = "") -> None:
    """Add a row of texts to a table."""
    from rich.text import Text

    # As Text, not as str: brackets in a name may look like markup.
    table.add_row(*map(Text, cells), style=style)
