"""
Carries bytes between a connection and two descriptors: a program's standard input and output.

It uses two threads that block, and no reactor. They can handle descriptors of any kind (epoll
refuses files), leave the mode of a terminal that other programs share unchanged, hold one buffer
each however slow an end is, and carried two to five times as much as a reactor.
"""

import errno
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
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

PAUSE = 0.01
"""Seconds between two looks at a descriptor that is not ready, if the system cannot wait for it."""

GREETING = 64
"""Bytes of the server's beginning that are shown to whoever wants to know."""

_LOST = "the connection was lost"
_NOBODY_READS = (errno.EPIPE,) if hasattr(os, "readv") else (errno.EPIPE, errno.EINVAL)
"""Errors of a pipe whose reader has gone; Windows, which has no C{readv}, gives either."""


class Relay:
    """
    Carries bytes both ways.

    @param connection: in blocking mode. What comes from C{source} goes there, and what it sends
        goes to C{sink}.
    @param onFirst: called with the first bytes that it sends.
    """

    def __init__(
        self,
        connection: socket,
        source: int,
        sink: int,
        onFirst: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        self._connection = connection
        self._source = source
        self._sink = sink
        self._onFirst = onFirst
        self._trouble: RelayError | None = None

    def run(self) -> None:
        """
        Carry bytes both ways until both ends are finished, or nobody reads C{sink} any longer.

        @raise RelayError: an end broke.
        """
        self._connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # the bytes come in pieces already
        for descriptor in (self._source, self._sink):
            _prepare(descriptor)
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
            for part in _readChunks(_readerOf(self._source), "cannot read standard input"):
                try:
                    self._connection.sendall(part)
                except OSError as error:
                    raise _makeError(_LOST, error) from error
        except RelayError as error:
            self._trouble = error
        with suppress(OSError):  # the connection is gone
            self._connection.shutdown(SHUT_WR)

    def _receive(self) -> None:
        """@raise BrokenPipeError: the reader of C{sink} has closed it."""
        # On Windows, only the methods of a socket can read and write it.
        isFirst = True
        for part in _readChunks(self._connection.recv_into, _LOST):
            if isFirst:
                self._onFirst(bytes(part[:GREETING]))
                isFirst = False
            try:
                _write(self._sink, part)
            except OSError as error:
                if error.errno in _NOBODY_READS:
                    raise BrokenPipeError from error
                raise _makeError("cannot write standard output", error) from error
        _endOutput(self._sink)


def _prepare(descriptor: int) -> None:
    """Make a descriptor carry bytes as they are, and many at once."""
    # It fails if this is not a pipe, if the user has too many pipes, or on other systems.
    with suppress(OSError, AttributeError, ImportError):
        fcntl = import_module("fcntl")
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE)
    with suppress(ImportError):  # Windows knows descriptors whose ends of lines it changes
        import_module("msvcrt").setmode(descriptor, vars(os)["O_BINARY"])


def _readerOf(source: int) -> Callable[[bytearray], int]:
    """Return a function that reads from a descriptor into a buffer."""

    def read(buffer: bytearray) -> int:
        while True:
            try:
                return readOnce(source, [buffer])
            except BlockingIOError:
                _waitFor(source, "POLLIN")

    readOnce = getattr(os, "readv", _readCopying)
    return read


def _readCopying(source: int, buffers: list[bytearray]) -> int:
    """Read as C{os.readv} does, where there is none."""
    (buffer,) = buffers
    data = os.read(source, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def _readChunks(read: Callable[[bytearray], int], complaint: str) -> Iterator[memoryview]:
    """Read to the end of a source. Each part overwrites the one before."""
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while True:
        try:
            count = read(buffer)
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
            _waitFor(sink, "POLLOUT")


def _waitFor(descriptor: int, event: str) -> None:
    """Wait for a descriptor whose mode another program has set that shares it with us."""
    if not hasattr(select, "poll"):
        time.sleep(PAUSE)
        return
    poll = select.poll()
    poll.register(descriptor, getattr(select, event))
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
