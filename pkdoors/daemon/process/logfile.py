"""The log in a file that only its owner can read."""

import os

from twisted.logger import Logger
from twisted.python.logfile import LogFile

from pkdoors.daemon.component import Component
from pkdoors.errors import ConfigError
from pkdoors.files.trust import isShared
from pkdoors.host.serviceuser import openOwn

SIZE = 1_000_000
"""Bytes after which a new file is begun."""
KEPT = 10
"""Earlier files that are kept."""


def openLogFile(path: str) -> LogFile:
    """
    Return the file of the log, ready to append to. When it is full it becomes C{path.1}, and so on;
    all of them are private, also if the file exists and was not.

    @raise ConfigError: it cannot be written, or others could exchange it.
    """
    try:
        folder = os.path.dirname(path)
        if isShared(folder):
            raise ConfigError(
                f"--logfile: others can write to {folder}, and so exchange the log: use a folder "
                "that nobody else can write, as `mkdir -m 755 /var/log/pkdoors` makes one"
            )
        _openOnce(path)
        file: LogFile = LogFile.fromFullPath(path, SIZE, defaultMode=0o600, maxRotatedFiles=KEPT)
        return file
    except OSError as error:
        raise ConfigError(f"--logfile: cannot write {path}: {_reason(error)}") from error


class LogReopener(Component):
    """Begins the log's file again if somebody has moved it away to rotate it."""

    _log = Logger()

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def reopen(self) -> None:
        """See L{Component.reopen}."""
        try:
            _openOnce(self._file.path)
        except OSError as error:
            self._log.warn(
                "cannot write {path}: {reason}: the log goes on in the file that had that name",
                path=self._file.path,
                reason=_reason(error),
            )
        else:
            self._file.reopen()


def _openOnce(path: str) -> None:
    """
    Create the file if it does not exist.

    @raise OSError: it is a link, belongs to another user, or cannot be written.
    """
    os.close(openOwn(path, os.O_WRONLY))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
