"""How a user runs this installation of pkdoors in a shell."""

import os
from pathlib import Path
from shlex import quote
from shutil import which
from sysconfig import get_path

USUAL = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The folders in which root's shell, and sudo, look for programs."""


def ownCommand(scripts: str = get_path("scripts")) -> str:
    """
    Return C{pkdoors} if that name runs this installation for root; else its path, quoted.

    @param scripts: the folder of this installation's programs.
    """
    program = Path(scripts, "pkdoors")
    found = which(program.name, path=USUAL)
    isOurs = found is not None and os.path.realpath(found) == os.path.realpath(program)
    return program.name if isOurs else quote(str(program))
