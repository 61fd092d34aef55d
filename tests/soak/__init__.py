"""The parts of C{python -m tests.soak}: real daemons and firewalls, used at random."""
