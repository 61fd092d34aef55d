"""Asks the kernel about addresses and routes, through C{ip} of iproute2. It blocks."""

import json
import socket
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


def listInterfaces() -> set[str]:
    """Return the names of this host's interfaces."""
    return {name for _, name in socket.if_nameindex()}


def listDefaultInterfaces() -> set[str]:
    """Return the interfaces of the default routes."""
    question = ("route", "show", "default")
    routes = [*askIp("-4", *question), *askIp("-6", *question)]
    hops = [hop for route in routes for hop in (route, *route.get("nexthops", ()))]
    return {str(hop["dev"]) for hop in hops if "dev" in hop}
