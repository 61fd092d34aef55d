"""
Benchmarks: how fast pkdoors is, alone and beside others. They are not installed.

C{python -m bench.opening} measures the time to open; C{python -m bench.rivals} measures that and
more, beside what a user would pick instead of pkdoors.
"""
