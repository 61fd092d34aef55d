"""
Reads files, for daemon and client: at once, so much and no more, and nothing but regular files.

A pipe would wait for somebody to write, a device may have no end, or do something when it is
opened. Whoever reads a file that an operator, a user or another program has named reads it here.
"""

import errno
import os
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_BYTES = 1 << 20
"""Of a file, where nothing else is said: far more than any of ours has."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Contents:
    """
    What is in a file.

    @ivar data: without a byte order mark, which editors and PowerShell put in front of UTF-8.
    @ivar status: of the very file that was read.
    """

    data: bytes = field(repr=False)
    status: os.stat_result

    def text(self, errors: str = "strict") -> str:
        """See L{decodeText}."""
        return decodeText(self.data, errors)


def readFile(
    path: str | os.PathLike[str],
    most: int = MAX_BYTES,
    folder: int | None = None,
    follow: bool = True,
) -> Contents:
    """
    Read a file.

    @param most: bytes; a file with more is refused, and no more than that is read of it.
    @param folder: a descriptor of the folder that a relative path begins at.
    @param follow: whether the last part of the path may be a link.
    @raise OSError: it is not there, is no regular file, or too large; C{strerror} is half a
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
    # Looked at before it is opened: to open a tape or a watchdog means something.
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
    Return what is in a file as text, which is UTF-8.

    @param errors: what to do about bytes that are none; C{bytes.decode}.
    @raise ValueError: it is something else, with a sentence.
    """
    if data.startswith(_UTF16):
        raise ValueError("it is UTF-16: save it as UTF-8")
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is not a text in UTF-8 (line {line})") from None


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
    while size <= most and len(data) <= most:  # files of /proc have a size of 0, and grow
        more = os.read(descriptor, most + 1 - len(data))
        if not more:
            return data
        data += more
    raise OSError(errno.EFBIG, f"it has more than {most} bytes, which is the most for it")
