"""
Which user is at the other end of a connection from this machine. On Linux, everybody can see that;
elsewhere it is unknown.
"""

from contextlib import suppress
from pathlib import Path

from pkdoors.host.procnet import Socket, parseSockets

Place = tuple[str, int]
"""An address and a port."""

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def canTell(tables: tuple[str, ...] = TABLES) -> bool:
    """Return whether users can be told from each other."""
    try:
        return bool(Path(tables[0]).read_text())
    except OSError:
        return False


def findUser(here: Place, there: Place, tables: tuple[str, ...] = TABLES) -> int | None:
    """
    Return the number of the user who has connected to us; L{None} if it is unknown.

    Both addresses count: other users can have sockets with the same two ports, at other addresses
    of the loopback, also in the name of a user whose browser they lead there. A socket that no
    process has any more is listed as root's, whoever had it.

    @param here: our end of the connection.
    @param there: the other end.
    """
    for table in tables:
        with suppress(OSError):  # the kernel may have no IPv6
            for socket in parseSockets(Path(table).read_text()):
                if socket.port == there[1] and socket.inode and _isBetween(socket, there, here):
                    return socket.user
    return None


def _isBetween(socket: Socket, here: Place, there: Place) -> bool:
    address, port = socket.peer
    return (str(socket.address), socket.port, str(address), port) == (*here, *there)
