"""Sees whether a file has changed since somebody read it."""

import os
from contextlib import suppress

Mark = tuple[int, ...]
"""What changes with a file's content, owner or permissions."""


def readMark(path: str | os.PathLike[str]) -> Mark:
    """
    Return the mark of a file as it is now.

    @raise OSError: it cannot be found.
    """
    now = os.stat(path)
    # Including the permissions: the kernel's clock ticks slowly, and two changes can have one time.
    changes = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_mode, now.st_uid, now.st_gid)
    return now.st_dev, now.st_ino, *changes


def findMark(path: str) -> Mark | None:
    """Return the mark of a file; L{None} if it cannot be found, or the path is empty."""
    with suppress(OSError):
        return readMark(path)
    return None
