"""How to start C{pkdoors} again, as its messages show it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from shutil import which


def showProgram(environment: Mapping[str, str], name: str = "pkdoors") -> str:
    """
    Return what a user must type to start this installation's program: its name if the shell finds
    it by that, otherwise its path; after C{sudo} if the user has used that.
    """
    path = Path(sys.executable).parent / name
    found = which(name)
    isShort = found is not None and os.path.realpath(found) == os.path.realpath(path)
    program = name if isShort else quote(str(path))
    return f"sudo {program}" if environment.get("SUDO_UID") and os.geteuid() == 0 else program
