"""
Read files, for daemon and client: without waiting, up to a limit, and only regular files.

A pipe would wait for a writer; a device may have no end, or act when it is opened. So all code that
reads a file named by an operator, a user or another program uses this module.
"""

import errno
import os
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

MAX_BYTES = 1 << 20
"""The default limit of a file's size, far more than any of our files has."""

_WANTED = "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"
"""No system has all of these; C{O_BINARY} is for Windows."""
_FLAGS = sum((getattr(os, name, 0) for name in _WANTED), os.O_RDONLY)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Contents(NamedTuple):
    """
    The contents of a file.

    @ivar data: the bytes without a byte order mark, which editors and PowerShell put before UTF-8.
    @ivar status: the status of the very file that was read.
    """

    data: bytes
    status: os.stat_result

    def __repr__(self) -> str:
        return f"<Contents, {len(self.data)} bytes>"

    def text(self, errors: str = "strict") -> str:
        """Return the text of the file, see L{decodeText}."""
        return decodeText(self.data, errors)


def readFile(
    path: str | os.PathLike[str],
    most: int = MAX_BYTES,
    folder: int | None = None,
    follow: bool = True,
) -> Contents:
    """
    Read a file.

    @param most: the most bytes. A larger file is refused, and not read any further.
    @param folder: a descriptor of the folder at which a relative path begins.
    @param follow: whether the last part of the path may be a link.
    @raise OSError: it does not exist, is not a regular file, or is too large; C{strerror} is half a
        sentence for people.
    """
    with _opened(path, folder, follow) as descriptor:
        status = os.fstat(descriptor)
        data = _read(descriptor, status.st_size, most)
        return Contents(data.removeprefix(BOM_UTF8), status)


def readStart(path: str | os.PathLike[str], count: int) -> bytes:
    """
    Return the first bytes of a file, however long it is.

    @raise OSError: see L{readFile}.
    """
    with _opened(path, None, True) as descriptor:
        return os.read(descriptor, count)


@contextmanager
def _opened(path: str | os.PathLike[str], folder: int | None, follow: bool) -> Iterator[int]:
    # Check before opening: to open a tape or a watchdog has effects.
    _checkKind(os.stat(path, dir_fd=folder, follow_symlinks=follow))
    flags = _FLAGS if follow else _FLAGS | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        _checkKind(os.fstat(descriptor))
        yield descriptor
    finally:
        os.close(descriptor)


def decodeText(data: bytes, errors: str = "strict") -> str:
    """
    Decode the contents of a file, which must be UTF-8.

    @param errors: how to treat bytes that are not UTF-8, see C{bytes.decode}.
    @raise ValueError: it is not UTF-8; the message is a sentence.
    """
    if data.startswith(_UTF16):
        raise ValueError("it is UTF-16: save it as UTF-8")
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not UTF-8 text (line {line})") from None


def _checkKind(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind == stat.S_IFLNK:
        raise OSError(errno.ELOOP, "it is a symbolic link")
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a file")


def _read(descriptor: int, size: int, most: int) -> bytes:
    data = b""
    while size <= most and len(data) <= most:  # files in /proc have size 0, and can grow
        chunk = os.read(descriptor, most + 1 - len(data))
        if not chunk:
            return data
        data += chunk
    raise OSError(errno.EFBIG, f"it has more than the {most} bytes that are allowed")
