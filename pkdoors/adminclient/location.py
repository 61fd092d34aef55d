"""Finds the daemon's admin socket."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, FLEET_NAME, MAX_CONF
from pkdoors.errors import AskError, BadValue, NoDaemon
from pkdoors.files.reading import readFile
from pkdoors.util.toml import readToml

T = TypeVar("T")

FLEET_SOCKET = "fleet.sock"
"""The name of the socket for the fleet."""


class AdminSocketOff(AskError):
    """The configuration file says that there is no socket."""


def askDaemon(conf: str | None, ask: Callable[[str], T]) -> T:
    """
    Ask the daemon that a configuration file belongs to. An operator who changes the path in the
    usual file has not moved the running daemon yet: if nobody listens at the new path, or it is
    off, ask at the usual path, too. With another file, do not: another daemon may be there.

    @param conf: the file; L{None} for the usual one.
    @param ask: asks at a path.
    @raise AskError: see L{findSocket}; or what C{ask} raises.
    """
    try:
        return ask(findSocket(conf))
    except (AdminSocketOff, NoDaemon) as error:
        if conf:
            raise
        try:
            return ask(ADMIN_SOCKET)
        except NoDaemon:
            raise error from None


def findSocket(conf: str | None) -> str:
    """
    Return the socket's path: the one in the configuration file, or else the usual one. It does not
    matter if the file cannot be read or has errors: the daemon runs with its earlier content.

    @param conf: the file; L{None} for the usual one.
    @raise AdminSocketOff: the file says that there is no socket.
    @raise AskError: there is no such file.
    """
    path = _readKey(conf, "admin")
    if path == "off":
        raise AdminSocketOff(
            f'the daemon has no admin socket: {conf or CONF_FILE} has admin = "off". Remove that '
            "and restart the daemon; or, if the daemon was started before that was in the file, "
            "use --admin PATH"
        )
    return path if isinstance(path, str) and path else ADMIN_SOCKET


def findFleetSocket(conf: str | None) -> str:
    """
    Return the path of the daemon's socket for the fleet: it is beside the admin socket.

    @raise AskError: there is no such file.
    """
    try:
        path = findSocket(conf)
    except AdminSocketOff:
        path = ADMIN_SOCKET
    return os.path.join(os.path.dirname(path), FLEET_SOCKET)


def findFleetFile(conf: str | None) -> str:
    """
    Return the path of the fleet's configuration. It does not matter if the daemon's file cannot be
    read or has errors: an order to the fleet must not wait until somebody has corrected that.

    @param conf: the daemon's file; L{None} for the usual one.
    @raise AskError: there is no such file.
    """
    path = _readKey(conf, "fleet_file")
    if isinstance(path, str) and path:
        return path
    return os.path.join(os.path.dirname(conf or CONF_FILE), FLEET_NAME)


def _readKey(conf: str | None, key: str) -> Any:
    try:
        return readToml(readFile(conf or CONF_FILE, MAX_CONF).text()).get(key)
    except (FileNotFoundError, NotADirectoryError) as error:
        if conf:
            raise AskError(
                f"cannot read {conf}: {error.strerror}: give the daemon's own file"
            ) from error
    except (OSError, ValueError, BadValue):
        pass
    return None
