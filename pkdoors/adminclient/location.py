"""Where the daemon's admin socket is."""

from collections.abc import Callable
from typing import Any, TypeVar

from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, MAX_CONF
from pkdoors.errors import AskError, BadValue, NoDaemon
from pkdoors.files.reading import readFile
from pkdoors.util.toml import readToml

T = TypeVar("T")


class AdminSocketOff(AskError):
    """The file says that there is no socket."""


def askThere(conf: str | None, ask: Callable[[str], T]) -> T:
    """
    Ask the daemon. Who changes the path in the usual file has moved nothing yet: where nobody is,
    or is to be, the usual place is asked, too. After another file it is not: there may be another
    daemon.

    @param conf: the file; L{None} for the usual one.
    @param ask: asks at a path.
    @raise AskError: see L{adminSocket}; or what C{ask} raises.
    """
    try:
        return ask(adminSocket(conf))
    except (AdminSocketOff, NoDaemon) as error:
        if conf:
            raise
        try:
            return ask(ADMIN_SOCKET)
        except NoDaemon:
            raise error from None


def adminSocket(conf: str | None) -> str:
    """
    The path that the configuration file tells, else the usual one. A file that cannot be read, or
    is wrong, does not matter: the daemon runs with what was in it before.

    @param conf: the file; L{None} for the usual one.
    @raise Off: there is no socket after that file.
    @raise AskError: there is no such file.
    """
    path = _admin(conf)
    if path == "off":
        raise AdminSocketOff(
            f'the daemon has no admin socket, {conf or CONF_FILE} says admin = "off": take that '
            "out of it and restart the daemon; or, if it was started before that was in it, say "
            "with --admin where it listens"
        )
    return path if isinstance(path, str) and path else ADMIN_SOCKET


def _admin(conf: str | None) -> Any:
    try:
        return readToml(readFile(conf or CONF_FILE, MAX_CONF).text()).get("admin")
    except (FileNotFoundError, NotADirectoryError) as error:
        if conf:
            raise AskError(
                f"cannot read {conf}: {error.strerror}: give the daemon's own"
            ) from error
    except (OSError, ValueError, BadValue):
        pass
    return None
