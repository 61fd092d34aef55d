"""Folders that root goes to by a name, though others may have prepared the way."""

import errno
import os
import stat
from pathlib import Path, PurePath

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40
"""On one way, as for the kernel; C{path_resolution(7)}."""


def openFolder(path: str | os.PathLike[str]) -> int:
    """
    Return a descriptor of a folder, with which files in it can be made and opened. A link on the
    way is followed if it is root's or our own: whoever made another one would choose where root
    writes. Nobody can exchange a part of the way meanwhile: each is opened in the one before.

    @raise OSError: it is not there, or somebody else's link is on the way.
    """
    left = _partsOf(Path(path).absolute())
    links = 0
    folder = os.open("/", _HOLD)
    try:
        while left:
            part = os.open(left.pop(), _HOLD, dir_fd=folder)
            try:
                target = _targetOf(part)
            except OSError:
                os.close(part)
                raise
            if target is None:
                os.close(folder)
                folder = part
                continue
            os.close(part)
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            left += _partsOf(PurePath(target))
            if os.path.isabs(target):
                os.close(folder)
                folder = os.open("/", _HOLD)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _targetOf(part: int) -> str | None:
    """Where a part of a way leads; L{None} where it is no link."""
    status = os.fstat(part)
    if not stat.S_ISLNK(status.st_mode):
        return None
    if status.st_uid not in (0, os.geteuid()):
        raise PermissionError(errno.EPERM, "a link on the way to it belongs to another user")
    return os.readlink("", dir_fd=part)


def _partsOf(path: PurePath) -> list[str]:
    """The last one first."""
    return [part for part in reversed(path.parts) if part != path.anchor]
