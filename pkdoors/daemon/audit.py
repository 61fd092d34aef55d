"""The audit file has one line of JSON for each event."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from pkdoors.daemon.component import Component
from pkdoors.events.event import Event, fields
from pkdoors.files.folders import makeFolders
from pkdoors.host.serviceuser import openOwn
from pkdoors.util.oneline import formatJSONLine
from pkdoors.util.trouble import Trouble


class AuditFile(Component):
    """
    Appends each event that it hears, in one write. If that fails, it says so once, and keeps trying
    with each event; it raises nothing.

    If somebody moves the file away, it writes to the moved file until L{reopen}.

    @param path: where the file is; empty for nowhere.
    @param write: C{write(2)}.
    @ivar trouble: why the file cannot be written; empty if it can.
    @ivar lost: how many events are missing in it since the start.
    """

    _log = Logger()

    def __init__(self, path: str = "", write: Callable[[int, bytes], int] = os.write) -> None:
        self._writeTo = write
        self._path = path
        self._file: int | None = None
        self._isTorn = False  # whether the last line of the file has no end
        self.trouble = ""
        self._failing = Trouble()
        self._missing = 0
        self.lost = 0

    def use(self, path: str) -> list[str]:
        """
        Write to a path from now on.

        @param path: where the file is; empty for nowhere.
        @return: why it cannot be written, as one sentence or none.
        """
        if path != self._path:
            self.close()
            self._path = path
        self.reopen()
        return [self.trouble] if self.trouble else []

    def start(self) -> None:
        """See L{Component.start}."""
        self.reopen()

    def reopen(self) -> None:
        """See L{Component.reopen}. Continue with the file that has the name now."""
        self._drop()
        if self._path:
            self._attempt(b"")

    def hear(self, event: Event) -> None:
        """Write an event."""
        if self._path and not self._attempt(formatJSONLine(fields(event)).encode() + b"\n"):
            self._missing += 1
            self.lost += 1

    def close(self) -> None:
        """Stop writing."""
        self._drop()
        self._path = ""
        self._failing.end()
        self._missing = 0

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        self.close()
        return succeed(None)

    def _attempt(self, line: bytes) -> bool:
        try:
            if self._file is None:
                self._open()
            if line:
                self._write(line)
        except OSError as error:
            self._drop()  # the next event opens it again
            self._complain(error)
            return False
        self.trouble = ""
        if line:
            self._calm()
        return True

    def _open(self) -> None:
        path = Path(self._path)
        if makeFolders(path.parent, 0o750):
            self._log.info("created the folder {folder} for the audit file", folder=path.parent)
        self._file = openOwn(path, os.O_RDWR | os.O_APPEND)
        size = os.fstat(self._file).st_size
        self._isTorn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        data = b"\n" + line if self._isTorn else line
        written = self._writeTo(self._file, data)
        if written < len(data):
            with suppress(OSError):  # then _open finds the partial line
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._isTorn = False

    def _drop(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _complain(self, error: OSError) -> None:
        """Warn once, however long it lasts."""
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        self.trouble = (
            f"cannot write the audit file {self._path} ({reason}): events are in this log only "
            "until it can be written again"
        )
        if self._failing.begin("it cannot be written"):
            self._log.warn("{trouble}", trouble=self.trouble)

    def _calm(self) -> None:
        if self._failing.end():
            self._log.info(
                "the audit file {path} is written again; events missing in it: {missing}",
                path=self._path,
                missing=self._missing,
            )
        self._missing = 0
