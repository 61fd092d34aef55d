"""At most one daemon runs on a host: two would replace each other's guard, again and again."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

from pkdoors.errors import PkdoorsError
from pkdoors.files.reading import readFile
from pkdoors.host.serviceuser import openOwn

FOLDER = Path("/run/pkdoors")


class InstanceError(PkdoorsError):
    """Another daemon runs, or it is impossible to find out if one does."""


class AlreadyRunning(InstanceError):
    """Another daemon runs."""


class Instance:
    """
    The right to be the daemon of this host, or rather of this network namespace: each has a
    firewall of its own. The right is a lock on a file, so it ends with the process, however that
    ends.

    @param folder: the folder of the lock file.
    """

    _log = Logger()

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._file: int | None = None
        self._isUnsigned = False  # the log says so already

    def path(self, suffix: str = "lock") -> Path:
        """
        Return the path of the lock file, or of another file that the daemon leaves to its
        successor.
        """
        return self._folder / f"{os.stat('/proc/self/ns/net').st_ino}.{suffix}"

    def take(self) -> None:
        """
        Take the right; it stays with this process and its forks.

        @raise InstanceError: another process has it, or the file cannot be created.
        """
        path = self.path()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = openOwn(path, os.O_RDWR)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.give()
            raise _alreadyRunning(readFile(path).text("replace") or "?") from error
        except PermissionError as error:
            raise InstanceError(
                f"no privilege to create {path}: run as root, or as the user of {self._folder}"
            ) from error
        except OSError as error:
            raise InstanceError(
                f"cannot create {path}: {error.strerror}; pkdoors needs that folder"
            ) from error
        self.sign()

    def refuseSecond(self) -> None:
        """
        Check that no other process has the right, as far as possible without taking it.

        @raise AlreadyRunning: another process has it.
        """
        with suppress(OSError):
            holder = self.findHolder()
            if holder is not None:
                raise _alreadyRunning(str(holder))

    def findHolder(self) -> int | None:
        """
        Return the process that has the right, without taking it; L{None} if no process has it.

        @raise OSError: this user may not know.
        """
        path = self.path()
        try:
            process = int(readFile(path).text())
            files = Path(f"/proc/{process}/fd").iterdir()
            # Not readlink(): it raises if the process has just closed the file.
            isHere = any(os.path.realpath(file) == os.path.realpath(path) for file in files)
        except (FileNotFoundError, ValueError):  # never taken, not signed yet, or just ended
            return None
        return process if isHere else None

    def sign(self) -> None:
        """
        Write the number of this process to the file, for others; again after a fork. On a full disk
        the right is valid, too: only the lock counts.
        """
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d" % os.getpid(), 0)
        except OSError as error:
            if not self._isUnsigned:
                self._log.warn(
                    "cannot write {path} ({reason}): `pkdoors release` and `pkdoors check` do not "
                    "notice this daemon. Free space there, then restart the daemon",
                    path=self.path(),
                    reason=error.strerror,
                )
            self._isUnsigned = True

    def give(self) -> None:
        """Give the right back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _alreadyRunning(process: str) -> AlreadyRunning:
    return AlreadyRunning(f"pkdoors is already running here (process {process})")


class AnyInstance(Instance):
    """The right of a daemon that changes nothing: any number of these may run."""

    def refuseSecond(self) -> None:
        """Refuse none."""

    def take(self) -> None:
        """Take nothing."""
