"""
Which user is at the other end of a connection from this machine. On Linux, everybody can see that;
elsewhere it is unknown.
"""

from contextlib import suppress
from pathlib import Path

from pkdoors.host.procnet import parseSockets

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def canTell(tables: tuple[str, ...] = TABLES) -> bool:
    """Return whether users can be told from each other."""
    try:
        return bool(Path(tables[0]).read_text())
    except OSError:
        return False


def findUser(port: int, peer: int, tables: tuple[str, ...] = TABLES) -> int | None:
    """
    Return the number of the user who has connected to us; L{None} if it is unknown.

    @param port: our port, on the loopback.
    @param peer: the port at the other end.
    """
    for table in tables:
        with suppress(OSError):  # the kernel may have no IPv6
            for socket in parseSockets(Path(table).read_text()):
                if socket.port == peer and socket.peer[1] == port and socket.isLocal():
                    return socket.user
    return None
