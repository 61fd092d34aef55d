"""Whether the daemon can write the files that the configuration names. This changes nothing."""

import errno
import os
from pathlib import Path

from pkdoors.files.folders import openFolder


def explainNotWritable(name: str) -> str:
    """
    Return why a file cannot be written or created, as half a sentence; empty if it can.

    @raise PermissionError: this process is not root, and cannot find out.
    """
    path = Path(name)
    if path.is_symlink():
        return "it is a symbolic link"
    if trouble := _checkFolder(path.parent):
        return trouble
    if path.exists():
        if not path.is_file():
            return "it is not a regular file"
        return _checkAccess(path, os.W_OK) or _checkSpace(path)
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return _checkAccess(folder, os.W_OK | os.X_OK) or _checkSpace(folder)


def _checkFolder(folder: Path) -> str:
    """Return why the daemon would refuse to open a folder; empty if it would not."""
    try:
        os.close(openFolder(folder))
    except PermissionError as error:
        return "" if os.geteuid() else str(error.strerror)
    except OSError:  # it does not exist yet, or is not a folder
        pass
    return ""


def _checkSpace(path: Path) -> str:
    """Return whether the file system is full. Root has a reserve there, a service does not."""
    system = os.statvfs(path)
    if system.f_blocks and not system.f_bavail:
        return os.strerror(errno.ENOSPC)
    if system.f_files and not system.f_favail and not path.is_file():
        return "the file system has no room for another file"
    return ""


def _checkAccess(path: Path, mode: int) -> str:
    if os.access(path, mode):
        return ""
    if os.geteuid():  # the daemon, as root, may be able to
        raise PermissionError
    return f"{path} is not writable"
