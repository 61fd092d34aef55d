"""
Fuzzing of the parsers that read the input of others. Nothing here is installed.

C{python -m fuzz.run TARGET} looks for inputs that break a parser. Each finding becomes a small file
in C{fuzz/corpus/TARGET}, which the ordinary tests read.
"""
