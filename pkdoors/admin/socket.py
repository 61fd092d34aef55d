"""The UNIX socket that the operator's commands come through."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from zope.interface import implementer

from pkdoors.admin.resources import makeSite
from pkdoors.errors import ListenError
from pkdoors.interfaces import IPart
from pkdoors.steering import Steering

BACKLOG = 64
"""Connections that wait to be taken; more than that are refused by the kernel."""


@implementer(IPart)
class AdminSocket:
    """
    Only root and the daemon's own user can use it.

    @param path: where it is; empty for nowhere.
    """

    def __init__(self, reactor: Any, path: str, steering: Steering) -> None:
        self._reactor = reactor
        self._path = path
        self._steering = steering
        self._bound: socket.socket | None = None
        self._port: IListeningPort | None = None

    def prepare(self) -> None:
        """See L{IPart.prepare}."""
        if self._path:
            self._bound = bindUNIX(self._path)

    def start(self) -> None:
        """See L{IPart.start}. Nobody is answered before the doors are guarded."""

    def ready(self) -> None:
        """See L{IPart.ready}."""
        if self._bound is not None:
            site = makeSite(self._reactor, self._steering)
            with self._bound as bound:  # the reactor has its own copy of it
                self._port = self._reactor.adoptStreamPort(bound.fileno(), socket.AF_UNIX, site)
            self._bound = None

    def reopen(self) -> None:
        """See L{IPart.reopen}. Nothing is."""

    def stop(self) -> Deferred[None]:
        """See L{IPart.stop}."""
        if self._bound is not None:
            self._bound.close()
        if self._path:
            with suppress(OSError):  # what is left there is taken away by the next daemon
                os.unlink(self._path)
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        port, self._port = self._port, None
        ended = port.stopListening() if port is not None else None
        if ended is not None:
            await ended


def bindUNIX(path: str) -> socket.socket:
    """
    A UNIX socket that nobody else may use, listening.

    @raise ListenError: it cannot be made there, or another daemon has it.
    """
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _removeStale(path)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)  # there is no moment in which others may use it
        try:
            bound.bind(path)
        except OSError:
            bound.close()
            raise
        finally:
            os.umask(before)
        bound.listen(BACKLOG)
    except OSError as error:
        raise ListenError(_explain(error, path)) from error
    return bound


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
        errno.EACCES: "no privilege for it: run as root, or say --admin PATH for another place",
    }
    remedy = remedies.get(error.errno or 0, f"{error.strerror}; say --admin PATH for another place")
    return f"cannot make the admin socket {path}: {remedy}"
