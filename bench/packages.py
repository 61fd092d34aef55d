"""Installs what a benchmark measures."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[1]

_INSTALL = """
ROOT=$1; shift
. "$ROOT/script/lib.sh"
need "$@"
"""
"""C{need} has no service started meanwhile."""


def install(packages: Mapping[str, str], services: Mapping[str, str]) -> None:
    """
    Install what is missing, with apt-get; end the program where that fails.

    @param packages: program -> Debian's package of it.
    @param services: program -> the unit of systemd's that it brings along.
    """
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where root's programs are, if this came by su
    if not (missing := [program for program in packages if not which(program)]):
        return
    needs = (f"command:{program}:{packages[program]}" for program in missing)
    done = subprocess.run(["sh", "-euc", _INSTALL, "bench", str(ROOT), *needs])
    # They are here for the benchmark only, so they do not start with the machine.
    units = [services[program] for program in missing if program in services]
    if units and which("systemctl"):
        subprocess.run(["systemctl", "disable", "--quiet", *units], stderr=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(done.returncode)
