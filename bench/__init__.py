"""
Benchmarks: how fast pkdoors is, beside others. No tests; nothing here is installed.

C{python -m bench.opening} measures the time to open, C{python -m bench.compare} that and more
beside what a user would pick instead.
"""
