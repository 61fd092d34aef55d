"""What names the boot that this host is in: what was granted in another one does not count."""

import os
from collections.abc import Mapping
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
VARIABLE = "PKDOORS_BOOT_ID"
"""In the environment of the service, which does not see that file (C{ProcSubset=pid})."""
UNKNOWN = "-"


def readBoot(path: Path = BOOT_ID, environment: Mapping[str, str] = os.environ) -> str:
    """Return the name: 32 hex digits; L{UNKNOWN} if nobody tells it."""
    try:
        text = path.read_text()
    except OSError:
        text = environment.get(VARIABLE, "")
    return text.strip().replace("-", "") or UNKNOWN
