"""Files of the user's, some of which hold secrets that others must not read."""

import os
import shlex
from dataclasses import dataclass, field

from pkdoors.errors import BadValue
from pkdoors.files import reading


@dataclass(frozen=True, slots=True)
class Contents:
    """
    What is in a file.

    @ivar isExposed: whether it is the user's own, and others can read or write it. As ssh has it,
        that is not asked of other people's files.
    """

    path: str
    data: bytes = field(repr=False)
    isExposed: bool

    def secret(self) -> bytes:
        """
        What is in it, which nobody else may know.

        @raise BadValue: others do.
        """
        if self.isExposed:
            raise BadValue(f"others can read or change it: run chmod 600 {shlex.quote(self.path)}")
        return self.data


def readFile(path: str) -> Contents | None:
    """
    Read a file; L{None} where it does not exist.

    @raise BadValue: it cannot be read.
    """
    try:
        found = reading.readFile(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise BadValue(f"it cannot be read: {reason}") from error
    status = found.status
    isExposed = status.st_uid == os.getuid() and status.st_mode & 0o077 != 0
    return Contents(path, found.data, isExposed)
