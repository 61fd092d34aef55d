"""The distribution's nftables service."""

import subprocess
from pathlib import Path

TIMEOUT = 3.0
"""Seconds for one question to systemd; it takes a few milliseconds."""

_FILES = (Path("/etc/nftables.conf"), Path("/etc/sysconfig/nftables.conf"))


def nftablesFiles() -> list[tuple[str, str]]:
    """The configurations that there are, of Debian's kind and of Fedora's: names and contents."""
    return [(str(file), file.read_text()) for file in _FILES if file.exists()]


def isOn(service: str) -> bool:
    """Whether a service is started, or will be at boot; nothing is where there is no systemd."""
    return any(_systemctl(question, service) for question in ("is-active", "is-enabled"))


def _systemctl(question: str, service: str) -> bool:
    try:
        done = subprocess.run(
            ["systemctl", "--quiet", question, service], capture_output=True, timeout=TIMEOUT
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
