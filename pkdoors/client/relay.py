"""
Carries bytes between a connection and two descriptors: a program's standard input and output.

With two threads that block, and no reactor: they take descriptors of any kind (epoll refuses
files), leave the mode of a terminal that others use as well alone, hold one buffer each however
slow an end is, and carried two to five times as much.
"""

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import suppress
from socket import IPPROTO_TCP, SHUT_WR, TCP_NODELAY, socket
from stat import S_ISSOCK
from threading import Thread

from pkdoors.errors import RelayError

CHUNK = 256 * 1024
"""Bytes of one read at most: with more, the processor's cache does not hold them until they are
written; with 64 KiB a quarter more time goes into system calls."""

PIPE = 1024 * 1024
"""Bytes that a pipe at either end shall hold: what the kernel lets everybody have. With the usual
64 KiB each read and write is cut to that, which halves the speed."""

_LOST = "the connection was lost"


class Relay:
    """
    @param connection: blocking; what comes from C{source} goes there, and what it sends to C{sink}.
    """

    def __init__(self, connection: socket, source: int, sink: int) -> None:
        self._connection = connection
        self._source = source
        self._sink = sink
        self._trouble: RelayError | None = None

    def run(self) -> None:
        """
        Carry both ways until both have come to their end, or nobody takes any more what comes.

        @raise RelayError: an end broke.
        """
        self._connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # it was cut into pieces already
        for each in (self._source, self._sink):
            with suppress(OSError, AttributeError):  # no pipe, too many of the user's, no Linux
                fcntl.fcntl(each, fcntl.F_SETPIPE_SZ, PIPE)
        # Where the connection breaks, nothing ends this thread's read: it must not be waited for.
        sending = Thread(target=self._send, daemon=True)
        sending.start()
        with suppress(BrokenPipeError):
            self._receive()
            sending.join()
        if self._trouble:
            raise self._trouble

    def _send(self) -> None:
        try:
            for part in _readChunks(self._source, "cannot read standard input"):
                try:
                    _write(self._connection.fileno(), part)
                except OSError as error:
                    raise _trouble(_LOST, error) from error
        except RelayError as error:
            self._trouble = error
        with suppress(OSError):  # it is gone
            self._connection.shutdown(SHUT_WR)

    def _receive(self) -> None:
        """
        @raise BrokenPipeError: who read what comes has had enough.
        """
        for part in _readChunks(self._connection.fileno(), _LOST):
            try:
                _write(self._sink, part)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _trouble("cannot write standard output", error) from error
        _endOutput(self._sink)


def _readChunks(source: int, complaint: str) -> Iterator[memoryview]:
    """What can be read, to its end. Each part is overwritten by the next."""
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while True:
        try:
            count = os.readv(source, [buffer])
        except BlockingIOError:  # somebody else set the mode of what they share with us
            _waitFor(source, select.POLLIN)
            continue
        except OSError as error:
            raise _trouble(complaint, error) from error
        if not count:
            return
        yield view[:count]


def _write(sink: int, part: memoryview) -> None:
    while part:
        try:
            part = part[os.write(sink, part) :]
        except BlockingIOError:
            _waitFor(sink, select.POLLOUT)


def _waitFor(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()


def _endOutput(sink: int) -> None:
    """Tell who reads there that no more will come."""
    if S_ISSOCK(os.fstat(sink).st_mode):  # which may be standard input, too
        with suppress(OSError), socket(fileno=os.dup(sink)) as ending:
            ending.shutdown(SHUT_WR)
    # Not just closed: what is opened next would get its number, and what is printed.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sink)
    os.close(null)


def _trouble(what: str, error: OSError) -> RelayError:
    return RelayError(f"{what}: {error.strerror}")
