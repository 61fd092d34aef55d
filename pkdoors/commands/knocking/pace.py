"""
Keeps one second between connections that only look whether a port is open: sshd refuses addresses
that make more of them (C{PerSourcePenalties} in C{sshd_config(5)}). A script may run one C{pkdoors
knock --wait} after the other, so a file says when the last one saw the port open.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress

from pkdoors.client.core.attempt import Attempt
from pkdoors.knocks.digests import sha256

PAUSE = 1.0
"""Seconds between two connections. sshd's penalty for a connection without a login is one second,
and it counts only what adds up."""

_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Pace:
    """
    The pace for one port of one host. Without a folder that is the user's own and ends with the
    session (C{XDG_RUNTIME_DIR}), there is none.
    """

    def __init__(self, attempt: Attempt, environment: Mapping[str, str]) -> None:
        folder = environment.get("XDG_RUNTIME_DIR", "")
        name = sha256(f"{attempt.host} {attempt.port}".encode()).hexdigest()[:16]
        isNeeded = attempt.port is not None and os.path.isabs(folder)
        self._path = os.path.join(folder, f"pkdoors-{name}") if isNeeded else ""

    def left(self) -> float:
        """Return the seconds until the next connection may be made."""
        try:
            since = time.time() - os.stat(self._path).st_mtime
        except OSError:
            return 0.0
        return PAUSE - since if 0 <= since < PAUSE else 0.0

    def note(self) -> None:
        """Note that the port was open just now."""
        if self._path:
            with suppress(OSError):  # a full disk, say: it is only about being polite
                descriptor = os.open(self._path, _FLAGS, 0o600)
                os.close(descriptor)
                os.utime(self._path)
