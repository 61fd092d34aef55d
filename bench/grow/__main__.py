"""
How pkdoors grows, as curves of at least four points each. Run as root, on a machine that does
nothing else::

    python -m bench.grow [--points 1,100] [CURVE ...]

Without names it runs all curves, which takes a while. It prints a table of each, and writes the raw
figures to C{docs/figures/grow-CURVE.json}, unless C{--points} asks for other points than the
curve's own. C{bench/grow/} has a module for each curve, which says what it measures.
"""

import sys

from bench.grow._curve import findCurve, formatTable, listCurves
from tests import ROOT
from tests.lab.program import Program, findLack

FIGURES = ROOT / "docs" / "figures"


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.grow", "How pkdoors grows.", {}, hasJson=False)
    names = listCurves()
    program.parser.add_argument(
        "curves", nargs="*", metavar="CURVE", help=f"a curve (all: {', '.join(names)})"
    )
    program.addList("--points", (0,), "measure at these points, and write no file", isOpen=True)
    options = program.start()
    if strange := [name for name in options.curves if name not in names]:
        program.parser.error(f"{strange[0]} is not one of {', '.join(names)}")
    for name in options.curves or names:
        curve = findCurve(name)
        if lack := findLack(curve.packages):
            sys.exit(f"bench.grow: {name}: {lack}")
        print(f"{name}: {curve.about}", flush=True)
        isWhole = options.points == [0]
        rows = program.run(curve.take, curve.points if isWhole else options.points)
        print(formatTable(rows), flush=True)
        if isWhole:
            curve.save(FIGURES, rows)


if __name__ == "__main__":
    main()
