"""What the next daemon has to know of the sealed knocks that this one saw."""

import errno
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from pkdoors.serviceuser import openOwn

KEPT = 4096
"""Lines that are kept, the newest, when the file is made anew; it is when it has twice as many. An
older knock is refused for its time."""

_LINE = re.compile(r"([0-9a-f]{32}) ([0-9]{1,15})")


class SeenFile:
    """
    One line for each knock that opened something. Made anew at start with what can still matter.

    @param path: in a folder that only root can write.
    """

    _log = Logger()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._written = 0
        self._isFailing = False
        self._isOpen = False

    def load(self) -> list[tuple[str, int]]:
        """
        Read what earlier daemons saw, and begin to write.

        @return: names and stamps, the oldest first.
        """
        self._isOpen = True
        kept = list(self._read())[-KEPT:]
        self._lines.extend(f"{name} {stamp}\n" for name, stamp in kept)
        self._start()
        return kept

    def note(self, name: str, stamp: int) -> None:
        """Write one line, before the knock opens anything."""
        if not self._isOpen:
            return
        line = f"{name} {stamp}\n"
        self._lines.append(line)
        self._written += 1
        if self._file is None or self._written >= 2 * KEPT:
            self._start()
        else:
            self._attempt(partial(_writeAll, self._file, line))

    def close(self) -> None:
        """End writing."""
        self._isOpen = False
        self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self) -> Iterator[tuple[str, int]]:
        try:
            text = self._path.read_text(errors="replace")
        except OSError:  # there was none
            return
        *lines, _ = text.split("\n")  # the last one may be torn
        for match in map(_LINE.fullmatch, lines):
            if match is not None:
                yield match[1], int(match[2])

    def _start(self) -> None:
        """Make it anew with all that is kept; where that fails, keep what there is."""
        self._written = len(self._lines)
        self._attempt(self._replace)

    def _replace(self) -> None:
        new = self._path.with_suffix(".new")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = openOwn(new, os.O_WRONLY | os.O_TRUNC | os.O_APPEND)
        try:
            _writeAll(file, "".join(self._lines))
            new.replace(self._path)
        except OSError:
            os.close(file)
            raise
        self._drop()
        self._file = file

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._isFailing = False
        except OSError as error:
            self._complain(error)
            self._drop()  # the next note makes it anew

    def _complain(self, error: OSError) -> None:
        """Say it once, however long it lasts."""
        if self._isFailing:
            return
        self._isFailing = True
        self._log.warn(
            "cannot write {path} ({reason}): a sealed knock that is recorded now could be used "
            "again after a restart of the daemon, if the clock of its maker is ahead",
            path=self._path,
            reason=error.strerror,
        )


def _writeAll(file: int, text: str) -> None:
    data = text.encode()
    if os.write(file, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
