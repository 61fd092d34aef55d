"""The user's own files, some of which hold secrets that others must not read."""

import os
import shlex
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.files import reading


class Contents(NamedTuple):
    """
    The contents of a file.

    @ivar isExposed: whether the file is the user's own, and others can read or write it. Like ssh,
        the client does not care whether others can read files of other users.
    @ivar isForeign: whether the file is another user's, and not only that user can write it.
    """

    path: str
    data: bytes
    isExposed: bool
    isForeign: bool = False

    def __repr__(self) -> str:
        return f"<Contents of {self.path!r}, {len(self.data)} bytes>"

    def checkOwner(self) -> None:
        """
        Check that the file is not one that anybody could have put there.

        @raise BadValue: another user's file can be written by others.
        """
        if self.isForeign:
            raise BadValue(
                "it belongs to another user, and not only that user can change it: use a copy"
            )

    def secret(self) -> bytes:
        """
        Return the contents as a secret.

        @raise BadValue: others can read or change the file.
        """
        if self.isExposed:
            path = shlex.quote(self.path)
            raise BadValue(f"others can read or change it: run `chmod 600 {path}`")
        return self.data


def readFile(path: str, most: int = reading.MAX_BYTES) -> Contents | None:
    """
    Read a file. Return L{None} if it does not exist.

    @param most: the most bytes that it may have.
    @raise BadValue: it cannot be read.
    """
    try:
        found = reading.readFile(path, most)
    except FileNotFoundError:
        return None
    except ValueError as error:  # each version of Python has other words for it
        raise BadValue("it cannot be read: its path has a null byte") from error
    except OSError as error:
        raise BadValue(f"it cannot be read: {error.strerror or error}") from error
    return Contents(path, found.data, _isExposed(found.status), _isForeign(found.status))


def _isExposed(status: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):  # Windows has no modes: the user's folder is theirs alone
        return False
    return status.st_uid == os.getuid() and status.st_mode & 0o077 != 0


def _isForeign(status: os.stat_result) -> bool:
    if not hasattr(os, "getuid"):
        return False
    return status.st_uid != os.getuid() and status.st_mode & 0o022 != 0
