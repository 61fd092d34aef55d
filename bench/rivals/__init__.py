"""
The parts of C{python -m bench.rivals}: pkdoors beside what a user would pick instead.

A L{rival<bench.rivals.rival.Rival>} is one of the daemons, or the kernel alone; a
L{testbed<bench.rivals.testbed.Testbed>} is where it is measured.
"""
