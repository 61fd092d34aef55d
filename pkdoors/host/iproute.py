"""Asks the kernel about addresses and routes, through C{ip} of iproute2. It blocks."""

import json
import subprocess
from typing import Any

TIMEOUT = 2.0
"""Seconds for one question to the kernel; it takes a few milliseconds."""


def askIp(*question: str) -> list[dict[str, Any]]:
    """Return what C{ip -json} prints; an empty list if it fails, or is missing."""
    try:
        answer = subprocess.run(
            ["ip", "-json", *question], capture_output=True, timeout=TIMEOUT, check=True
        )
        found: list[dict[str, Any]] = json.loads(answer.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return found
