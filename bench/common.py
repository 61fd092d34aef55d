"""What the benchmarks have in common: one door, and figures of tries."""

import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.lab.hosts import Daemon, Host
from tests.lab.program import Program

SEQUENCE = (17001, 17203, 17005, 17404, 17002, 17309, 17107, 17208)
KNOCKS = ",".join(map(str, SEQUENCE))
PROTECTED = 2222
"""The protected port."""

Times = dict[str, list[float | None]]
"""Name -> milliseconds of each try, None for one that failed."""


def startDaemon(host: Host, *options: str, firewall: str = "nftables") -> Daemon:
    """Start a daemon with the one door, for an hour."""
    door = ("--magic-seq", KNOCKS, "--ports", str(PROTECTED), "--open-for", "1h")
    return Daemon(host, *door, "--firewall", firewall, *options)


def withBytecode(folder: Path) -> dict[str, str]:
    """
    Return an environment in which Python keeps its bytecode in a folder, as an installed program
    has it: without it, compiling takes longer than all the rest of a short command.
    """
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def summarize(tries: Sequence[float | None]) -> dict[str, float]:
    """Return figures of the tries that succeeded; nothing if none did."""
    good = sorted(took for took in tries if took is not None)
    if not good:
        return {}
    p95 = good[round(0.95 * (len(good) - 1))]
    return {"median": statistics.median(good), "p95": p95, "min": good[0], "max": good[-1]}


def countDone(tries: Sequence[float | None]) -> str:
    """Return how many tries succeeded, of how many."""
    return f"{len(tries) - tries.count(None)}/{len(tries)}"


def ratio(times: Times, one: str, other: str) -> float:
    """Return one median divided by another, or 0 if either never succeeded."""
    first, second = summarize(times[one]), summarize(times[other])
    return first["median"] / second["median"] if first and second else 0.0


def showTimes(times: Times) -> str:
    """Return the figures as a table for a terminal."""
    width = max(map(len, times))
    lines = [f"{'ms':{width}}{'done':>10}{'median':>9}{'p95':>9}{'min':>9}{'max':>9}"]
    for name, tries in times.items():
        figures = "".join(f"{value:9.2f}" for value in summarize(tries).values())
        lines.append(f"{name:{width}}{countDone(tries):>10}{figures}")
    return "\n".join(lines)


def figuresOf(times: Times) -> dict[str, object]:
    """Return the figures for programs, with the versions of kernel and Python."""
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "milliseconds": times,
        "summary": {name: summarize(tries) for name, tries in times.items()},
    }


def report(program: Program, times: Times, lines: Iterable[str] = (), **figures: object) -> None:
    """Print the table and some lines, and write the figures if C{--json} asks for them."""
    print(showTimes(times), *lines, sep="\n")
    program.save({**figuresOf(times), **figures})
