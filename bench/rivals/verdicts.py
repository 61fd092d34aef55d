"""What the figures of a comparison mean: verdicts, line by line. Pure."""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any

from bench.common import summarize
from bench.tables import Cell, Row, Table

Results = Mapping[str, Mapping[str, Any]]
"""Column -> measure -> its figures, as L{bench.rivals.measures} returns them."""

OURS = ("pkdoors", "sealed")
"""The columns that are pkdoors."""

TOLERANCE = 1.5
"""Seconds by which a door may close early or late: fwknopd counts whole seconds, between checks."""

NOTHING = Cell("n/a")
FAILED = Cell("failed")
"""The measure failed; the raw figures say why."""

Formatter = Callable[[Any], Cell]


def makeTable(results: Results) -> Table:
    """Return the whole table, without the lines of which nothing was measured."""
    rows = []
    for measure, title, formatCell in _titles(results):
        found = [measured.get(measure) for measured in results.values()]
        if any(found):
            rows.append(Row(title, [_cell(formatCell, figures) for figures in found]))
    return Table(list(results), rows, OURS)


def _cell(formatCell: Formatter, figures: Any) -> Cell:
    if not figures:
        return NOTHING
    return FAILED if "error" in figures else formatCell(figures)


def _titles(results: Results) -> Iterator[tuple[str, str, Formatter]]:
    """Yield all possible lines: the measure, the title, and what formats a cell."""
    yield "opening", "time to open, median, ms", _time("median")
    yield "opening", "time to open, 95th percentile, ms", _time("p95")
    yield "opening", "opened, of tries in quiet", lambda found: _of(found["opened"], found["tried"])
    levels = _first(results, "levels", "levels", [])
    for index, level in enumerate(levels):
        yield "levels", f"opened under {_rate(level['level'])} wrong knocks a second", _level(index)
    yield "levels", "tries begin to fail at, datagrams a second", judgeFailing
    for index, level in enumerate(levels):
        if level["level"] == 100_000:
            yield "levels", "CPU under 100,000 wrong knocks a second", _busyAt(index)
    yield "busy", "CPU under 100,000 junk datagrams a second", lambda found: _percent(found["cpu"])
    yield "memory", f"memory after {_first(results, 'memory', 'sources', 0):,} sources", judgeGrowth
    yield "memory", "connections tracked by the kernel after that", _tracked
    for name in _first(results, "lines", "opened", {}):
        yield "lines", f"knocks that open: {name}", _over(name)
    yield "killed", "door closes in time after kill -9 of the daemon", judgeClosing
    yield "reloaded", "door is kept when the firewall's rules are loaded again", judgeKeeping
    yield "reloaded", "port is open to everybody meanwhile", _strangers
    yield "reloaded", "a new knock opens after that", lambda found: _yes(found["again"])


def judgeFailing(figures: Any) -> Cell:
    """Return the lowest level at which not all tries opened."""
    for level in figures["levels"]:
        if level["opened"] < level["tried"]:
            return Cell(f"{level['rate']:,.0f}", round(level["rate"], -4))
    return Cell(f"never ({max(level['rate'] for level in figures['levels']):,.0f})", inf)


def judgeGrowth(figures: Any) -> Cell:
    """Return the daemon's growth, or the kernel's if there is no daemon."""
    isDaemon = figures["daemon"] is not None
    growth = max(0.0, round(figures["daemon" if isDaemon else "kernel"], 1))
    return Cell(f"+{growth:.1f} MB{'' if isDaemon else ' (kernel)'}", -growth)


def judgeClosing(figures: Any) -> Cell:
    """Return whether the door was open until its time was over, and no longer."""
    late = figures["answered"] - figures["openFor"]
    if late > TOLERANCE:
        return Cell(f"no: open {figures['watched'] - figures['openFor']} s later", 0)
    return Cell("yes", 1) if late > -TOLERANCE else Cell(f"no: closed {-late:.1f} s early", 0)


def judgeKeeping(figures: Any) -> Cell:
    """Return whether the door was open at its end."""
    return _yes(figures["answered"] > figures["openFor"] - TOLERANCE)


def _strangers(figures: Any) -> Cell:
    milliseconds = figures["strangers"]
    return Cell(f"for {milliseconds:.1f} ms", -milliseconds) if milliseconds else Cell("no", 0)


def _time(which: str) -> Formatter:
    def show(figures: Any) -> Cell:
        found = summarize(figures["milliseconds"])
        if not found:
            return Cell("never", -inf)
        return Cell(f"{found[which]:.2f}", -round(found[which], 2))

    return show


def _level(index: int) -> Formatter:
    def show(figures: Any) -> Cell:
        level = figures["levels"][index]
        rate = "" if level["level"] else f" ({_rate(round(level['rate'], -3))})"
        return _of(level["opened"], level["tried"], rate)

    return show


def _busyAt(index: int) -> Formatter:
    return lambda figures: _percent(figures["levels"][index]["cpu"])


def _over(name: str) -> Formatter:
    return lambda figures: _of(figures["opened"][name], figures["tried"])


def _tracked(figures: Any) -> Cell:
    return Cell(f"{figures['tracked']:,}", -round(figures["tracked"], -3))


def _of(opened: int, tried: int, suffix: str = "") -> Cell:
    return Cell(f"{opened}/{tried}{suffix}", opened / tried)


def _percent(share: float | None) -> Cell:
    return NOTHING if share is None else Cell(f"{share:.0f} %", -round(share))


def _yes(whether: bool) -> Cell:
    return Cell("yes", 1) if whether else Cell("no", 0)


def _rate(datagrams: float) -> str:
    return f"{datagrams:,.0f}" if datagrams else "the most"


def _first(results: Results, measure: str, key: str, default: Any) -> Any:
    found = (measured.get(measure, {}) for measured in results.values())
    return next((figures[key] for figures in found if key in figures), default)
