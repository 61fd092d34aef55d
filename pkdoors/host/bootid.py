"""The id of the current boot of this host. Openings that were granted in another boot are void."""

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ENVIRONMENT = Path("/proc/self/environ")
"""The environment that this process started with; C{proc(5)}."""
VARIABLE = "PKDOORS_BOOT_ID"
"""Holds the id for the service, which does not see C{/proc/sys} (C{ProcSubset=pid})."""
UNKNOWN = "-"


def readBootId(path: Path = BOOT_ID, environment: Path = ENVIRONMENT) -> str:
    """Return the id, 32 hex digits; L{UNKNOWN} if neither kernel nor systemd provides it."""
    return _read(path).replace("-", "") or _readVariable(environment) or UNKNOWN


def _readVariable(environment: Path) -> str:
    pairs = (entry.partition("=") for entry in _read(environment).split("\0"))
    return next((value for name, _, value in pairs if name == VARIABLE), "")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
