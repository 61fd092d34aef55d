"""Installs the programs that a benchmark measures."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which

ROOT = Path(__file__).parents[2]

_INSTALL = """
ROOT=$1; shift
. "$ROOT/script/lib.sh"
need "$@"
"""
"""C{need} prevents services from being started meanwhile."""


def install(packages: Mapping[str, str], services: Mapping[str, str]) -> None:
    """
    Install the missing packages with apt-get; end the program if that fails.

    @param packages: program -> Debian's package of it.
    @param services: program -> the systemd unit that is installed with it.
    """
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # root's programs, which su leaves out
    if not (missing := [program for program in packages if not which(program)]):
        return
    needs = (f"command:{program}:{packages[program]}" for program in missing)
    done = subprocess.run(["sh", "-euc", _INSTALL, "bench", str(ROOT), *needs])
    # They are installed only for the benchmark, so they must not start with the machine.
    units = [services[program] for program in missing if program in services]
    if units and which("systemctl"):
        subprocess.run(["systemctl", "disable", "--quiet", *units], stderr=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(done.returncode)
