"""What a configuration names as authorized keys: a file, or a folder of files."""

import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from pkdoors.keysources.keyfile import KeyFile, readKeys
from pkdoors.keysources.keyfolder import KeyFolder
from pkdoors.keysources.keyreader import KeyFileError
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.util.oneline import limitLines

KeySource = KeyFile | KeyFolder


def openKeys(path: str, seconds: Callable[[], float] = time.monotonic) -> KeySource:
    """
    Return the keys at a path, which need not exist yet.

    @param seconds: a clock that does not jump.
    """
    return KeyFolder(path, seconds) if os.path.isdir(path) else KeyFile(path, seconds)


def listIdle(
    path: str, keys: Iterable[AuthorizedKey], doors: Collection[str], today: float
) -> list[str]:
    """
    Return a sentence for each key that opens nothing; if there are many, the first ones, and how
    many more there are.

    @param doors: the doors that use the path.
    """
    reasons = (key.findIdleness(doors, today) for key in keys)
    return limitLines([f"{path}: {reason}" for reason in reasons if reason], "keys open nothing")


def isStale(source: KeySource, path: str) -> bool:
    """Return whether a file has become a folder, or a folder a file."""
    return os.path.exists(path) and os.path.isdir(path) != isinstance(source, KeyFolder)


def readAll(path: str) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Return the keys at a path, and a sentence for each kind of line that is refused.

    @raise KeyFileError: the file or the folder cannot be used.
    """
    if not os.path.isdir(path):
        return readKeys(Path(path))
    folder = KeyFolder(path)
    keys = folder.keys()
    if not keys:
        try:
            folder.prepare()
        except KeyFileError as error:
            if error.isLogged:
                raise
    return keys, folder.complaints()
