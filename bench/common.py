"""What the benchmarks have in common."""

import os
import platform
import shutil
import signal
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

Times = dict[str, list[float | None]]
"""Name -> milliseconds of each try, None where it failed."""


def lacking(packages: Mapping[str, str]) -> str:
    """
    What is missing, and what to do; empty where nothing is.

    @param packages: program -> Debian's package of it.
    """
    if os.geteuid():
        return "it makes network namespaces and needs root: run it with sudo"
    if missing := [package for program, package in packages.items() if not shutil.which(program)]:
        return f"{' and '.join(missing)} not installed: apt-get install {' '.join(missing)}"
    return ""


@contextmanager
def signals(how: signal.Sigmasks) -> Iterator[None]:
    """Block or unblock the signals that end a benchmark, while hosts come and go."""
    before = signal.pthread_sigmask(how, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def summary(tries: Sequence[float | None]) -> dict[str, float]:
    """Of the tries that succeeded; empty where none did."""
    good = sorted(each for each in tries if each is not None)
    if not good:
        return {}
    p95 = good[round(0.95 * (len(good) - 1))]
    return {"median": statistics.median(good), "p95": p95, "min": good[0], "max": good[-1]}


def table(times: Times) -> str:
    """The figures for reading."""
    width = max(map(len, times))
    lines = [f"{'ms':{width}}{'done':>10}{'median':>9}{'p95':>9}{'min':>9}{'max':>9}"]
    for name, tries in times.items():
        done = f"{len(tries) - tries.count(None)}/{len(tries)}"
        lines.append(
            f"{name:{width}}{done:>10}" + "".join(f"{v:9.2f}" for v in summary(tries).values())
        )
    return "\n".join(lines)


def ratio(times: Times, one: str, other: str) -> float:
    """The median of one by that of another; 0 where one of them never succeeded."""
    first, second = summary(times[one]), summary(times[other])
    return first["median"] / second["median"] if first and second else 0.0


def figures(times: Times) -> dict[str, object]:
    """The figures for programs."""
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "milliseconds": times,
        "summary": {name: summary(tries) for name, tries in times.items()},
    }
