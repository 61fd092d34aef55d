"""
How Windows differs from what a Linux without some modules does: sockets are not files, and errors
have other numbers. See the documentation of Winsock, and of Python's C{select} and C{errno}.
"""

import errno
import os
import select
import shutil
import socket
import sys
from collections.abc import Iterable
from itertools import chain
from stat import S_ISSOCK
from types import ModuleType, SimpleNamespace
from typing import Any

NUMBERS = {
    errno.EAGAIN: 10035,
    errno.EINPROGRESS: 10035,  # of connect(), which says the same there
    errno.ECONNRESET: 10054,
    errno.ECONNREFUSED: 10061,
    errno.EHOSTUNREACH: 10065,
}
"""Linux' numbers of errors -> those of Winsock."""
WSAEINVAL, WSAENOTSOCK = 10022, 10038
_EBADF, _EINVAL, _EPIPE = errno.EBADF, errno.EINVAL, errno.EPIPE
_TEXT = 0x4000
"""The mode of a descriptor that changes line ends; it is the first of those that Python makes."""


class WindowsSocket(socket.socket):
    """A socket whose errors have the numbers of Winsock."""

    _sent = 0

    def connect(self, address: Any) -> None:
        """Connect."""
        try:
            super().connect(address)
        except OSError as error:
            raise _translate(error) from None

    def connect_ex(self, address: Any) -> int:
        """Connect."""
        result = super().connect_ex(address)
        return NUMBERS.get(result, result)

    def getsockopt(self, level: int, option: int, *size: Any) -> Any:
        """Return an option; that which is an error has another number."""
        value = super().getsockopt(level, option, *size)
        return NUMBERS.get(value, value) if option == socket.SO_ERROR else value

    def sendto(self, data: Any, *where: Any) -> int:
        """Send a datagram, unless the host refused the one before: that is told now."""
        self._sent += 1
        if self._sent % 2 == 0:
            raise ConnectionResetError(10054, "An existing connection was forcibly closed")
        return super().sendto(data, *where)


def _translate(error: OSError) -> OSError:
    return type(error)(NUMBERS.get(error.errno or 0, error.errno), "in Windows' words")


def beWindows() -> None:
    """Do what Windows does, for as long as this process lives; call it after C{hide}."""
    sockets: Any = socket
    sockets.socket = WindowsSocket
    for name in ("EAGAIN", "EWOULDBLOCK", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH"):
        setattr(errno, name, NUMBERS[getattr(errno, name)])
    vars(errno)["EINPROGRESS"] = 10036
    select.select = _select
    os.read, os.write = _read, _write
    vars(shutil)["_winapi"] = SimpleNamespace(NeedCurrentDirectoryForExePath=lambda mode: False)
    console: Any = ModuleType("msvcrt")
    console.setmode = _setMode
    sys.modules["msvcrt"] = console
    os.O_BINARY = 0x8000  # type: ignore[attr-defined]


_reallyRead, _reallyWrite, _reallySelect = os.read, os.write, select.select
_text = {0, 1}


def _setMode(descriptor: int, flags: int) -> int:
    assert flags == 0x8000
    _text.discard(descriptor)
    return _TEXT


def _read(descriptor: int, count: int) -> bytes:
    """Read from what is not a socket; from a text in the form of Windows' own programs."""
    if S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(_EBADF, "Bad file descriptor")
    data = _reallyRead(descriptor, count)
    return data.replace(b"\r\n", b"\n") if descriptor in _text else data


def _write(descriptor: int, data: Any) -> int:
    if S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(_EBADF, "Bad file descriptor")
    if descriptor in _text:
        _reallyWrite(descriptor, bytes(data).replace(b"\n", b"\r\n"))
        return len(data)
    try:
        return _reallyWrite(descriptor, data)
    except BrokenPipeError:
        raise OSError(_EINVAL, "Invalid argument") from None


def _select(
    read: Iterable[Any], write: Iterable[Any], other: Iterable[Any], seconds: float | None = None
) -> Any:
    """Wait for sockets, and for nothing else."""
    lists = [list(each) for each in (read, write, other)]
    if not any(lists):
        raise OSError(WSAEINVAL, "An invalid argument was supplied")
    for each in chain(*lists):
        number = each if isinstance(each, int) else each.fileno()
        if not S_ISSOCK(os.fstat(number).st_mode):
            raise OSError(WSAENOTSOCK, "An operation was attempted on something that is no socket")
    first, second, third = lists
    return _reallySelect(first, second, third, seconds)
