"""The code that the service runs: where it is, and who can change it."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from sysconfig import get_path

from pkdoors.files.trust import Flaw, findFlaw, findFlawBelow, findNameFlaw

PROGRAMS = ("pkdoors", "python3")
"""In the folder of scripts; a distribution's Python has its own interpreter elsewhere."""


def findCodeFlaw() -> Flaw | None:
    """
    Return the first reason why other users can change what a service from this installation runs:
    its virtual environment, its interpreter, the folders in which that looks for modules, and those
    in which Twisted looks for plugins. L{None} if nobody can.

    The libraries of a distribution's own Python belong to its package manager; only their folders
    are checked.

    @raise OSError: something cannot be checked.
    """
    for path in _listFiles():
        with suppress(FileNotFoundError):
            if flaw := findFlaw(path):
                return flaw
    # A folder that does not exist counts, too: others must not be able to create it.
    for folder in filter(os.path.isabs, sys.path):
        if flaw := findFlaw(folder) if os.path.exists(folder) else findNameFlaw(folder):
            return flaw
    return next(filter(None, map(findFlawBelow, _listFolders())), None)


def _listFiles() -> Iterator[Path]:
    scripts = Path(get_path("scripts"))  # not sys.executable's: a distribution has it elsewhere
    yield from (scripts / name for name in PROGRAMS)
    yield from (Path(get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _listFolders() -> Iterator[Path]:
    import pkdoors
    import twisted.plugins

    environment = Path(get_path("data"))
    if (environment / "pyvenv.cfg").exists():
        yield environment
    yield from map(Path, pkdoors.__path__)
    yield from filter(Path.is_dir, map(Path, twisted.plugins.__path__))
