"""The parts of C{python -m bench.flood}."""
