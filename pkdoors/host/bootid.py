"""What names the boot that this host is in: what was granted in another one does not count."""

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ENVIRONMENT = Path("/proc/self/environ")
"""With what this process was started; C{proc(5)}."""
VARIABLE = "PKDOORS_BOOT_ID"
"""In there for the service, which does not see C{/proc/sys} (C{ProcSubset=pid})."""
UNKNOWN = "-"


def readBootId(path: Path = BOOT_ID, environment: Path = ENVIRONMENT) -> str:
    """Return the name: 32 hex digits; L{UNKNOWN} if nobody tells it."""
    return _read(path).replace("-", "") or _variable(environment) or UNKNOWN


def _variable(environment: Path) -> str:
    pairs = (each.partition("=") for each in _read(environment).split("\0"))
    return next((value for name, _, value in pairs if name == VARIABLE), "")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
