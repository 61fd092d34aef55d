"""Open folders by name as root, although others may have prepared links on the way."""

import errno
import os
import stat
from pathlib import Path, PurePath

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40
"""Links in one path, as many as the kernel allows; C{path_resolution(7)}."""


def makeFolders(folder: Path, mode: int) -> bool:
    """
    Make a folder and those above it that are missing. Return whether any was missing.

    @raise OSError: it cannot be made, or something else has its name.
    """
    if folder.is_dir():
        return False
    folder.mkdir(mode, parents=True, exist_ok=True)
    return True


def openFolder(path: str | os.PathLike[str]) -> int:
    """
    Return a descriptor of a folder, for creating and opening files in it. Only links that belong to
    root or to this user are followed, since the owner of a link chooses where root writes. Nobody
    can exchange a part of the path meanwhile, because each part is opened in the one before.

    @raise OSError: it does not exist, or its path leads through somebody else's link.
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
    """Return where a part of a path leads; L{None} if it is not a link."""
    status = os.fstat(part)
    if not stat.S_ISLNK(status.st_mode):
        return None
    if status.st_uid not in (0, os.geteuid()):
        raise PermissionError(errno.EPERM, "a link in its path belongs to another user")
    return os.readlink("", dir_fd=part)


def _partsOf(path: PurePath) -> list[str]:
    """Return the parts of a path, the last one first."""
    return [part for part in reversed(path.parts) if part != path.anchor]
