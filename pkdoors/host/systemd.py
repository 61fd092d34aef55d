"""Whether the daemon is a service of systemd on this host."""

from pathlib import Path

UNIT = Path("/etc/systemd/system/pkdoors.service")
"""Where C{pkdoors install-service} puts it."""

START = "systemctl start pkdoors"


def isInstalled() -> bool:
    """Whether it is: then systemd is who starts the daemon."""
    return UNIT.exists()
