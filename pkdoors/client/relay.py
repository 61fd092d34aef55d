"""
Carries bytes between a connection and two descriptors: a program's standard input and output.

It uses two threads that block, and no reactor. They can handle descriptors of any kind (epoll
refuses files), leave the mode of a terminal that other programs share unchanged, hold one buffer
each however slow an end is, and carried two to five times as much as a reactor.
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
"""The most bytes of one read: the processor's cache would not hold more until they are written;
with 64 KiB, system calls take a quarter more time."""

PIPE = 1024 * 1024
"""The size to give a pipe at either end, in bytes: the most that the kernel allows every user. With
the usual 64 KiB each read and write is cut to that size, which halves the speed."""

_LOST = "the connection was lost"


class Relay:
    """
    Carries bytes both ways.

    @param connection: in blocking mode. What comes from C{source} goes there, and what it sends
        goes to C{sink}.
    """

    def __init__(self, connection: socket, source: int, sink: int) -> None:
        self._connection = connection
        self._source = source
        self._sink = sink
        self._trouble: RelayError | None = None

    def run(self) -> None:
        """
        Carry bytes both ways until both ends are finished, or nobody reads C{sink} any longer.

        @raise RelayError: an end broke.
        """
        self._connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # the bytes come in pieces already
        for descriptor in (self._source, self._sink):
            # It fails if this is not a pipe, if the user has too many pipes, or on other systems.
            with suppress(OSError, AttributeError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE)
        # If the connection breaks, nothing ends this thread's read: it must not be waited for.
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
                    raise _makeError(_LOST, error) from error
        except RelayError as error:
            self._trouble = error
        with suppress(OSError):  # the connection is gone
            self._connection.shutdown(SHUT_WR)

    def _receive(self) -> None:
        """@raise BrokenPipeError: the reader of C{sink} has closed it."""
        for part in _readChunks(self._connection.fileno(), _LOST):
            try:
                _write(self._sink, part)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _makeError("cannot write standard output", error) from error
        _endOutput(self._sink)


def _readChunks(source: int, complaint: str) -> Iterator[memoryview]:
    """Read to the end of a source. Each part overwrites the one before."""
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while True:
        try:
            count = os.readv(source, [buffer])
        except BlockingIOError:  # another program has set the mode of a descriptor that we share
            _waitFor(source, select.POLLIN)
            continue
        except OSError as error:
            raise _makeError(complaint, error) from error
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
    """Let the reader of the output see its end."""
    if S_ISSOCK(os.fstat(sink).st_mode):  # it may be standard input, too
        with suppress(OSError), socket(fileno=os.dup(sink)) as ending:
            ending.shutdown(SHUT_WR)
    # Do not just close it: the next file that is opened would get its number, and with it what we
    # print.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sink)
    os.close(null)


def _makeError(what: str, error: OSError) -> RelayError:
    return RelayError(f"{what}: {error.strerror}")
