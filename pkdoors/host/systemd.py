"""Services of systemd on this host: our own, and the distribution's nftables."""

import os
import subprocess
from pathlib import Path

from pkdoors.files.reading import readFile
from pkdoors.host.serviceuser import FLEET_NAME, NAME, findFleetGroup, findServiceGroup

UNIT = Path("/etc/systemd/system/pkdoors.service")
"""Where C{pkdoors install-service} puts our unit."""
PACKAGE_UNIT = Path("/usr/lib/systemd/system/pkdoors.service")
"""Where a package of the distribution puts it."""

START = "systemctl start pkdoors"
RUNNING = "/run/systemd/system"
"""A folder that exists if systemd has booted the host; C{sd_booted(3)}."""
TIMEOUT = 3.0
"""Seconds for one question to systemd; it takes a few milliseconds."""

_NFTABLES_FILES = (Path("/etc/nftables.conf"), Path("/etc/sysconfig/nftables.conf"))


def isRunning() -> bool:
    """Return whether systemd has booted this host."""
    return os.path.isdir(RUNNING)


def isInstalled() -> bool:
    """Return whether our service is installed, so that systemd starts the daemon."""
    return UNIT.exists() or isPackaged()


def isPackaged() -> bool:
    """Return whether a package of the distribution has installed our service."""
    return PACKAGE_UNIT.exists()


def isOn(service: str) -> bool:
    """Return whether a service is started, or will be at boot; never if there is no systemd."""
    return any(_askSystemctl(question, service) for question in ("is-active", "is-enabled"))


def startsAtBoot() -> bool | None:
    """Return whether our own service starts at boot; L{None} if systemd did not boot this host."""
    return _askSystemctl("is-enabled", UNIT.name) if isRunning() else None


def isFleetOn() -> bool | None:
    """Return whether the service that connects this host with its fleet is started, or will be at
    boot; L{None} if systemd did not boot this host."""
    return isOn(f"{FLEET_NAME}.service") if isRunning() else None


def mayService(access: str, path: str) -> bool:
    """
    Return whether the user of our own service may use a file. The answer is yes, too, if there is
    no such file or user, or if we are not root and so cannot become that user to try.

    @param access: C{"-r"}, C{"-w"} or C{"-x"}; C{test(1)}.
    """
    return _mayUser(NAME, findServiceGroup(), access, path)


def mayFleetService(access: str, path: str) -> bool:
    """Return the same for the service that connects this host with its fleet."""
    return _mayUser(FLEET_NAME, findFleetGroup(), access, path)


def _mayUser(name: str, group: int | None, access: str, path: str) -> bool:
    if group is None or os.geteuid() or not os.path.exists(path):
        return True
    groups = os.getgrouplist(name, group)
    done = subprocess.run(["test", access, path], user=name, group=group, extra_groups=groups)
    return done.returncode == 0


def readNftablesFiles() -> list[tuple[str, str]]:
    """Return names and contents of the nftables service's files, Debian's and Fedora's, if they
    exist."""
    return [
        (str(file), readFile(file).text("replace")) for file in _NFTABLES_FILES if file.exists()
    ]


def _askSystemctl(question: str, service: str) -> bool:
    try:
        done = subprocess.run(
            ["systemctl", "--quiet", question, service], capture_output=True, timeout=TIMEOUT
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
