"""
How it grows: one module for each curve, C{python -m bench.grow} runs them.

A curve is a module with a docstring that says what it measures, and

  - C{POINTS}: the numbers to measure at, at least four;
  - C{measure(points)}: returns a row for each point, a dictionary of figures whose names end with
    their unit, like C{"parse, ms"}. The baseline is a column of its own, or the first point.

It may have C{COUNTS}, a word for what the points count (C{"doors"}), and C{PACKAGES}, the programs
that it needs and Debian's package of each.
"""
