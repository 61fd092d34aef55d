"""The UNIX socket of the admin interface."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from pkdoors.admin._lazysite import AdminSite
from pkdoors.admin.operations import AdminOperations
from pkdoors.daemon.component import Component
from pkdoors.errors import ListenError
from pkdoors.files.folders import makeFolders
from pkdoors.host.serviceuser import actAsOwner

MODE = 0o600
"""The mode of the socket: only root, and the user that runs the daemon, can use it."""
BACKLOG = 64
"""Connections that wait until they are accepted; the kernel makes further clients wait."""

# The socket's mode does not let us ask whether a daemon answers there.
_OTHER_USERS = (
    "another user's socket is there; if no daemon runs as that user any more, remove it, or use "
    "--admin PATH for another place"
)


class AdminSocket(Component):
    """
    Listens on the socket, which only root and the daemon's own user can use.

    @param path: the socket's path; empty for no socket.
    @cvar name: what the socket is called.
    """

    _log = Logger()
    name = "admin socket"

    def __init__(self, reactor: Any, path: str, operations: AdminOperations) -> None:
        self._reactor = reactor
        self._path = path
        self._operations = operations
        self._port: IListeningPort | None = None

    def prepare(self) -> None:
        """See L{Component.prepare}."""
        if self._path:
            ensureCreatable(self._path)

    def ready(self) -> None:
        """See L{Component.ready}. The daemon answers no operator before."""
        if self._path:
            self._listen()

    def makeSite(self, reactor: Any, operations: AdminOperations) -> AdminSite:
        """Return what answers there."""
        return AdminSite(reactor, operations)

    def _listen(self) -> None:
        from pkdoors.admin._port import AdminPort  # after the reactor, which leaves out TLS

        site = self.makeSite(self._reactor, self._operations)
        try:
            _removeStale(self._path)
            port = AdminPort(self._path, site, BACKLOG, MODE, self._reactor)  # type: ignore[arg-type]
            with _asOwnersOnly(self._path):
                port.startListening()
                self._port = port
                self._share()
        except (OSError, CannotListenError) as error:
            self._log.error("there is no {name}: {error}", name=self.name, error=error)

    def _share(self) -> None:
        """Let others use the socket: nobody. This raises nothing."""

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        port, self._port = self._port, None
        ended = port.stopListening() if port is not None else None
        if ended is not None:
            await ended


@contextmanager
def _asOwnersOnly(path: str) -> Iterator[None]:
    """
    Have a socket made in the context belong to its folder's owner, and to nobody else. If root ran
    a daemon, and it was killed, the service must be able to replace the socket that it left.
    """
    before = os.umask(0o777 & ~MODE)  # from the first moment: mode= is set only after the bind
    try:
        with actAsOwner(Path(path).parent):  # root must not: mode= follows links
            yield
    finally:
        os.umask(before)


def ensureCreatable(path: str) -> None:
    """
    Ensure that a UNIX socket can be created at a path.

    @raise ListenError: it cannot, or another daemon has it.
    """
    try:
        if makeFolders(Path(path).parent, 0o700):
            Logger().info("created the folder of the admin socket {path}", path=path)
        tryToCreate(path)
    except OSError as error:
        raise ListenError(_describeError(error, path)) from error


def tryToCreate(path: str) -> None:
    """
    Create a UNIX socket at a path and remove it again, in a folder that exists.

    @raise OSError: that fails, or another daemon has it.
    """
    _removeStale(path)
    with socket.socket(socket.AF_UNIX) as probe, _asOwnersOnly(path):
        probe.bind(path)
    os.unlink(path)


def _removeStale(path: str) -> None:
    """Remove the socket of a daemon that was killed: nobody listens there any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if Path(path).is_socket():
                os.unlink(path)
            return
        except BlockingIOError:  # a daemon listens, and is busy
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _describeError(error: OSError, path: str) -> str:
    remedies = {
        errno.EADDRINUSE: "another daemon or a file is there; use --admin PATH for another place, "
        "or --admin off",
        errno.EACCES: _OTHER_USERS
        if os.path.lexists(path)
        else "permission denied; run as root, or use --admin PATH for another place",
    }
    remedy = remedies.get(error.errno or 0, f"{error.strerror}; use --admin PATH for another place")
    return f"cannot create the admin socket {path}: {remedy}"
