"""
Fuzzing of all that reads what others wrote. Nothing here is installed.

C{python -m fuzz.run TARGET} looks for inputs that break a parser; what it finds goes, as a small
file, to C{fuzz/corpus/TARGET}, which the ordinary tests read.
"""
