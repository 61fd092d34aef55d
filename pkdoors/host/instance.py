"""One daemon on a host: two would take the guard from each other, again and again."""

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
    """Another daemon runs, or that cannot be found out."""


class AlreadyRunning(InstanceError):
    """Another daemon runs."""


class Instance:
    """
    The right to be the daemon of this host, or rather of this network namespace, since each has a
    firewall of its own. It ends with the process, however that ends.

    @param folder: where the file is that is locked.
    """

    _log = Logger()

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._file: int | None = None
        self._isUnsigned = False  # and the log says so

    def path(self, suffix: str = "lock") -> Path:
        """A file of the daemon of this host: what is locked, or what it leaves to the next."""
        return self._folder / f"{os.stat('/proc/self/ns/net').st_ino}.{suffix}"

    def take(self) -> None:
        """
        Take the right; it stays with this process and those that it forks into.

        @raise InstanceError: another process has it, or the file cannot be made.
        """
        path = self.path()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = openOwn(path, os.O_RDWR)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.give()
            raise _running(readFile(path).text("replace") or "?") from error
        except PermissionError as error:
            raise InstanceError(
                f"no privilege to make {path}: run as root, or as the user of {self._folder}"
            ) from error
        except OSError as error:
            raise InstanceError(
                f"cannot make {path}: {error.strerror}; pkdoors needs that folder"
            ) from error
        self.sign()

    def refuseSecond(self) -> None:
        """
        See that no other process has the right, as far as that can be told without taking it.

        @raise Running: one has.
        """
        with suppress(OSError):
            holder = self.findHolder()
            if holder is not None:
                raise _running(str(holder))

    def findHolder(self) -> int | None:
        """
        The process that has the right, found without taking it; L{None} where nobody has.

        @raise OSError: that is not for this user to know.
        """
        path = self.path()
        try:
            process = int(readFile(path).text())
            files = Path(f"/proc/{process}/fd").iterdir()
            # Not readlink(): it raises where the process has just closed the file.
            isHere = any(os.path.realpath(file) == os.path.realpath(path) for file in files)
        except (FileNotFoundError, ValueError):  # never taken, not yet signed, or ended just now
            return None
        return process if isHere else None

    def sign(self) -> None:
        """
        Write who has the right, for those who want it; again after a fork. A full disk keeps nobody
        from having it: the lock is what counts.
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
                    "notice this daemon. Make room there, and restart it",
                    path=self.path(),
                    reason=error.strerror,
                )
            self._isUnsigned = True

    def give(self) -> None:
        """Give the right back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _running(process: str) -> AlreadyRunning:
    return AlreadyRunning(f"pkdoors is running here already (process {process})")


class AnyInstance(Instance):
    """For a daemon that changes nothing: there may be any number of those."""

    def refuseSecond(self) -> None:
        """Nothing is."""

    def take(self) -> None:
        """Nothing is needed."""
