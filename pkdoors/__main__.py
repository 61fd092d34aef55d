"""C{python -m pkdoors} is the command C{pkdoors}."""

from pkdoors.cli import main

main()
