"""Services of systemd: the distribution's nftables, and our own."""

import os
import subprocess
from pathlib import Path

from pkdoors.files.reading import readFile
from pkdoors.host.serviceuser import NAME, serviceGroup

TIMEOUT = 3.0
"""Seconds for one question to systemd; it takes a few milliseconds."""

_FILES = (Path("/etc/nftables.conf"), Path("/etc/sysconfig/nftables.conf"))


def nftablesFiles() -> list[tuple[str, str]]:
    """The configurations that there are, of Debian's kind and of Fedora's: names and contents."""
    return [(str(file), readFile(file).text("replace")) for file in _FILES if file.exists()]


def isOn(service: str) -> bool:
    """Whether a service is started, or will be at boot; nothing is where there is no systemd."""
    return any(_systemctl(question, service) for question in ("is-active", "is-enabled"))


def mayService(how: str, path: str) -> bool:
    """
    Whether the user of our own service may use a file; also where that is not there, or there is no
    such user, or we are not root, and so cannot become that user to see it.

    @param how: C{"-r"}, C{"-w"} or C{"-x"}; C{test(1)}.
    """
    group = serviceGroup()
    if group is None or os.geteuid() or not os.path.exists(path):
        return True
    groups = os.getgrouplist(NAME, group)
    done = subprocess.run(["test", how, path], user=NAME, group=group, extra_groups=groups)
    return done.returncode == 0


def _systemctl(question: str, service: str) -> bool:
    try:
        done = subprocess.run(
            ["systemctl", "--quiet", question, service], capture_output=True, timeout=TIMEOUT
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
