"""Finds the curves, and writes the rows of one as a table and as a file."""

import json
import os
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple

import twisted
from pkdoors import __version__

Row = Mapping[str, float]


class Curve(NamedTuple):
    """
    A curve.

    @ivar about: what it measures.
    @ivar points: the numbers to measure at.
    @ivar measure: returns a row for each of the points.
    @ivar counts: what the points count.
    @ivar packages: the programs that it needs, and Debian's package of each.
    """

    name: str
    about: str
    points: Sequence[int]
    measure: Callable[[Sequence[int]], Sequence[Row]]
    counts: str
    packages: Mapping[str, str]

    def take(self, points: Sequence[int]) -> list[Row]:
        """
        Return a row for each point, with the point.

        @raise ValueError: the rows do not fit the points.
        """
        rows = self.measure(points)
        return [{self.counts: at, **row} for at, row in zip(points, rows, strict=True)]

    def describe(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the rows with what others need to judge them."""
        return {
            "curve": self.name,
            "about": self.about,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": describeMachine(),
            "versions": {
                "pkdoors": str(__version__.public()),
                "python": platform.python_version(),
                "twisted": str(twisted.__version__),
                "kernel": platform.release(),
            },
            "rows": rows,
        }

    def save(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the rows to the curve's file."""
        text = json.dumps(self.describe(rows), indent=1)
        (folder / f"grow-{self.name}.json").write_text(f"{text}\n")


def describeMachine() -> dict[str, Any]:
    """Return what a reader must know of this machine to judge its figures."""
    model = re.search("^model name\\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
    }


def listCurves() -> list[str]:
    """Return the names of all curves."""
    package = import_module(__package__)
    names = (module.name for module in iter_modules(package.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def findCurve(name: str) -> Curve:
    """Return a curve."""
    module = import_module(f"{__package__}.{name}")
    about = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    counts = getattr(module, "COUNTS", "n")
    packages = getattr(module, "PACKAGES", {})
    return Curve(name, about, module.POINTS, module.measure, counts, packages)


def formatTable(rows: Sequence[Row]) -> str:
    """Return rows as a table for a terminal."""
    names = [*dict.fromkeys(name for row in rows for name in row)]
    lines = [names, *([_format(row.get(name)) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _format(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.2f}"
