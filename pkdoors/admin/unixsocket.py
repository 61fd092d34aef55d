"""The UNIX socket that the operator's commands come through."""

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

from pkdoors.admin._interface import AdminOperations
from pkdoors.admin._lazysite import AdminSite
from pkdoors.daemon.component import Component
from pkdoors.errors import ListenError
from pkdoors.host.serviceuser import actAsOwner

MODE = 0o600
"""Of the socket: root, and who runs the daemon."""
BACKLOG = 64
"""Connections that wait to be taken; whoever comes then has the kernel make him wait."""

# Whether somebody answers there is not for us to ask.
_LEFT = (
    "one of another user is there; if no daemon runs as that user any more, remove it, or say "
    "--admin PATH for another place"
)


class AdminSocket(Component):
    """
    Only root and the daemon's own user can use it.

    @param path: where it is; empty for nowhere.
    """

    _log = Logger()

    def __init__(self, reactor: Any, path: str, operations: AdminOperations) -> None:
        self._reactor = reactor
        self._path = path
        self._operations = operations
        self._port: IListeningPort | None = None

    def prepare(self) -> None:
        """See L{Component.prepare}."""
        if self._path:
            rehearse(self._path)

    def ready(self) -> None:
        """See L{Component.ready}. Nobody is answered before."""
        if not self._path:
            return
        from pkdoors.admin._port import AdminPort  # after the reactor, which goes without TLS

        site = AdminSite(self._reactor, self._operations)
        try:
            _removeStale(self._path)
            port = AdminPort(self._path, site, BACKLOG, MODE, self._reactor)  # type: ignore[arg-type]
            with _forOurselves(self._path):
                port.startListening()
            self._port = port
        except (OSError, CannotListenError) as error:
            self._log.error("no admin socket: {error}", error=error)

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        port, self._port = self._port, None
        ended = port.stopListening() if port is not None else None
        if ended is not None:
            await ended


@contextmanager
def _forOurselves(path: str) -> Iterator[None]:
    """
    The socket that is made there meanwhile is for the daemon and for the one after it: one that
    root leaves when it is killed, the service has to be able to replace.
    """
    before = os.umask(0o777 & ~MODE)  # not for a moment for others: mode= comes after the bind
    try:
        with actAsOwner(Path(path).parent):  # mode= follows links
            yield
    finally:
        os.umask(before)


def rehearse(path: str) -> None:
    """
    See that a UNIX socket can be made there.

    @raise ListenError: it cannot, or another daemon has it.
    """
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _removeStale(path)
        with socket.socket(socket.AF_UNIX) as probe, _forOurselves(path):
            probe.bind(path)
        os.unlink(path)
    except OSError as error:
        raise ListenError(_explain(error, path)) from error


def _removeStale(path: str) -> None:
    """Remove what a daemon left that was killed: nobody listens there any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if Path(path).is_socket():
                os.unlink(path)
            return
        except BlockingIOError:  # somebody listens, and is busy
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explain(error: OSError, path: str) -> str:
    remedies = {
        errno.EADDRINUSE: "another daemon, or a file, is there; say --admin PATH for another "
        "place, or --admin off",
        errno.EACCES: _LEFT
        if os.path.lexists(path)
        else "no privilege for it: run as root, or say --admin PATH for another place",
    }
    remedy = remedies.get(error.errno or 0, f"{error.strerror}; say --admin PATH for another place")
    return f"cannot make the admin socket {path}: {remedy}"
