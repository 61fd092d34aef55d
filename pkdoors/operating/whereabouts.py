"""Where the daemon's admin socket is."""

import os
import tomllib
from typing import Any

from pkdoors.config import ADMIN_SOCKET, CONF_FILE
from pkdoors.errors import AskError


def adminSocket(conf: str | None) -> str:
    """
    The path that the configuration file tells, else the usual one. A file that cannot be read, or
    is wrong, does not matter: the daemon runs with what was in it before.

    @param conf: the file; L{None} for the usual one.
    @raise AskError: there is no socket after that file, or no such file.
    """
    path = _admin(conf)
    if path == "off":
        raise AskError(
            f'the daemon has no admin socket, {conf or CONF_FILE} says admin = "off": take that '
            "out of it and restart the daemon"
        )
    return path if isinstance(path, str) and path else ADMIN_SOCKET


def _admin(conf: str | None) -> Any:
    try:
        with open(conf or CONF_FILE, "rb", opener=_openAtOnce) as file:
            return tomllib.load(file).get("admin")
    except (FileNotFoundError, NotADirectoryError) as error:
        if conf:
            raise AskError(
                f"cannot read {conf}: {error.strerror}: give the daemon's own"
            ) from error
    except (OSError, ValueError, RecursionError):
        pass
    return None


def _openAtOnce(path: str, flags: int) -> int:
    """A pipe would wait for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)
