"""
Benchmarks: how fast pkdoors is, beside others. No tests; nothing here is installed.

C{python -m bench.opening} measures the time to open.
"""
