"""What the next daemon has to know of the sealed knocks that this one saw."""

import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from twisted.logger import Logger

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

    def load(self, floor: int) -> list[tuple[str, int]]:
        """
        Read what an earlier daemon saw, and begin to write.

        @param floor: milliseconds since 1970; what is stamped earlier is refused anyway.
        @return: names and stamps, the oldest first.
        """
        kept = [(name, stamp) for name, stamp in self._read() if stamp >= floor]
        self._lines.extend(f"{name} {stamp}\n" for name, stamp in kept)
        self._start()
        return kept[-KEPT:]

    def note(self, name: str, stamp: int) -> None:
        """Write one line, before the knock opens anything."""
        if self._file is None:
            return
        line = f"{name} {stamp}\n"
        self._lines.append(line)
        self._written += 1
        try:
            os.write(self._file, line.encode())
            self._isFailing = False
        except OSError as error:
            self._complain(error)
        if self._written >= 2 * KEPT:
            self._start()

    def close(self) -> None:
        """End writing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self) -> Iterator[tuple[str, int]]:
        try:
            lines = self._path.read_text(errors="replace").splitlines()
        except OSError:  # there was none
            return
        for match in map(_LINE.fullmatch, lines):
            if match is not None:
                yield match[1], int(match[2])

    def _start(self) -> None:
        """Make it anew; where that fails, go on with what there is."""
        self._written = len(self._lines)
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            file = os.open(new, flags, 0o600)
        except OSError as error:
            self._complain(error)
            return
        try:
            os.write(file, "".join(self._lines).encode())
            new.replace(self._path)
        except OSError as error:
            os.close(file)
            self._complain(error)
            return
        self.close()
        self._file = file

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
