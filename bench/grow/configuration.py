"""
Configuration: milliseconds of processor time to read a file, and to check that its doors fit
together; its size. The doors have ports of their own, or share them.

The best of some runs, which take turns, so noise on a shared machine hits all points.
"""

import time
from collections.abc import Sequence

from pkdoors.config.parser import parseConfig
from tests.lab.manydoors import KINDS, writeDoors

POINTS = (1, 100, 1000, 10_000)
COUNTS = "doors"
ROUNDS = 3


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    rows: list[dict[str, float]] = [{} for _ in points]
    for row, count in zip(rows, points, strict=True):
        row["file, kB"] = len(writeDoors(count)) / 1000
    for _ in range(ROUNDS):
        for row, count in zip(rows, points, strict=True):
            for kind in KINDS:
                name = f"{kind}, ms"
                row[name] = min(row.get(name, float("inf")), _measureOnce(writeDoors(count, kind)))
    for row, count in zip(rows, points, strict=True):
        row["us a door"] = 1000 * row["disjoint, ms"] / count
    return rows


def _measureOnce(text: str) -> float:
    began = time.process_time()
    parseConfig(text, "bench")
    return 1000 * (time.process_time() - began)
