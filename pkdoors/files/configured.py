"""Whether the daemon can write the files that the configuration names. This changes nothing."""

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
        return _checkAccess(path, os.W_OK) if path.is_file() else "it is not a regular file"
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return _checkAccess(folder, os.W_OK | os.X_OK)


def _checkFolder(folder: Path) -> str:
    """Return why the daemon would refuse to open a folder; empty if it would not."""
    try:
        os.close(openFolder(folder))
    except PermissionError as error:
        return "" if os.geteuid() else str(error.strerror)
    except OSError:  # it does not exist yet, or is not a folder
        pass
    return ""


def _checkAccess(path: Path, mode: int) -> str:
    if os.access(path, mode):
        return ""
    if os.geteuid():  # the daemon, as root, may be able to
        raise PermissionError
    return f"{path} is not writable"
