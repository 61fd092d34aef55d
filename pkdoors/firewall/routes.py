"""The way to a client, as the kernel's routing has it, through C{ip} of iproute2. It blocks."""

import json
import subprocess
from typing import Any

from pkdoors.doors import Address

TIMEOUT = 2.0
"""Seconds for one question to the kernel; it takes a few milliseconds."""


def routeInterface(address: Address) -> str:
    """The interface on which the route to an address leaves; empty where there is no route."""
    return _first(["route", "get", str(address)], "dev")


def hardwareAddress(address: Address) -> str:
    """The hardware address of a neighbour, small letters; empty where it is not known."""
    return _first(["neigh", "show", str(address)], "lladdr").lower()


def _first(question: list[str], key: str) -> str:
    try:
        answer = subprocess.run(
            ["ip", "-json", *question], capture_output=True, timeout=TIMEOUT, check=True
        )
        found: list[dict[str, Any]] = json.loads(answer.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return str(found[0].get(key, "")) if found else ""
