"""The code that the service runs: where it is, and who can change it."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from sysconfig import get_path

from pkdoors.files.trust import Flaw, findFlaw, findFlawBelow, findNameFlaw

PROGRAMS = ("twistd", "pkdoors", "python3")
"""Of the folder with scripts; a distribution's Python has its own elsewhere."""


def findCodeFlaw() -> Flaw | None:
    """
    Return the first reason why somebody else can change what a service runs that is installed
    from here: the virtual environment, the interpreter, the folders where that looks for modules,
    and those where Twisted looks for plugins. L{None} where nobody can.

    The libraries of a distribution's own Python are its package manager's, and only their folders
    are looked at.

    @raise OSError: something cannot be looked at.
    """
    for path in _single():
        with suppress(FileNotFoundError):
            if flaw := findFlaw(path):
                return flaw
    # A folder that is not there yet counts, too: others must not be able to make it.
    for folder in filter(os.path.isabs, sys.path):
        if flaw := findFlaw(folder) if os.path.exists(folder) else findNameFlaw(folder):
            return flaw
    return next(filter(None, map(findFlawBelow, _trees())), None)


def _single() -> Iterator[Path]:
    scripts = Path(get_path("scripts"))  # not sys.executable's: a distribution has it elsewhere
    yield from (scripts / name for name in PROGRAMS)
    yield from (Path(get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _trees() -> Iterator[Path]:
    import pkdoors
    import twisted.plugins

    environment = Path(get_path("data"))
    if (environment / "pyvenv.cfg").exists():
        yield environment
    yield from (Path(each) for each in pkdoors.__path__)
    yield from filter(Path.is_dir, map(Path, twisted.plugins.__path__))
