"""What can be done with the files that the configuration names. Nothing is changed."""

import os
from pathlib import Path

from pkdoors.files.folders import openFolder


def explainNotWritable(name: str) -> str:
    """
    Why a file cannot be written, or made, as half a sentence; empty where it can.

    @raise PermissionError: we are not root, and cannot tell.
    """
    path = Path(name)
    if path.is_symlink():
        return "it is a symbolic link"
    if trouble := _whyNotThere(path.parent):
        return trouble
    if path.exists():
        return _whyNot(path, os.W_OK) if path.is_file() else "it is not a regular file"
    folder = next(each for each in path.parents if each.exists())
    return _whyNot(folder, os.W_OK | os.X_OK) if folder.is_dir() else f"{folder} is no folder"


def _whyNotThere(folder: Path) -> str:
    """Why the daemon would not go to a folder."""
    try:
        os.close(openFolder(folder))
    except PermissionError as error:
        return "" if os.geteuid() else str(error.strerror)
    except OSError:  # it is not there yet, or is something else
        pass
    return ""


def _whyNot(path: Path, mode: int) -> str:
    if os.access(path, mode):
        return ""
    if os.geteuid():  # the daemon may, all the same
        raise PermissionError
    return f"nothing can be written to {path}"
