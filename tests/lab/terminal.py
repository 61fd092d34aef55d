"""A terminal, with a program on it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from typing import Any

import pyte
from rich.text import Text
from twisted.trial.unittest import SynchronousTestCase

from tests.lab.hosts import PATIENCE, eventually, heedSignals
from tests.lab.picture import readScreen

ENVIRONMENT = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

# Fish 4 asks for another way of reporting keys, which pyte would show as text.
_KEYS = re.compile(rb"\x1b\[[=<>][\d;]*[a-z]")
_BEGUN = re.compile(rb"\x1b(?:\[(?:[=<>][\d;]*)?)?\Z")


class Terminal:
    """
    A pseudo-terminal, and what would be seen on it.

    @ivar written: all that the program has written so far.
    """

    def __init__(
        self,
        *argv: str,
        columns: int = 80,
        lines: int = 24,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> None:
        self.written = b""
        self._rest = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, self._theirs = pty.openpty()
        self._setSize(columns, lines)
        self.before = self.settings()
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self.process = subprocess.Popen(
            argv,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            preexec_fn=self._prepare,
            env={**kept, **ENVIRONMENT, **environment},
        )

    def _prepare(self) -> None:
        heedSignals()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal

    def close(self) -> None:
        """End the program, and take the terminal away."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def settings(self) -> list[Any]:
        """Return its settings: whether it shows what is typed, ..."""
        return termios.tcgetattr(self._theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size."""
        self._screen.resize(lines, columns)
        self._setSize(columns, lines)

    def screen(self) -> list[str]:
        """Return the lines that it shows now."""
        while select.select([self._ours], [], [], 0)[0]:
            data = os.read(self._ours, 1 << 16)
            self.written += data
            text, self._rest = _split(self._rest + data)
            self._stream.feed(text)
        return [line.rstrip() for line in self._screen.display]

    def picture(self) -> list[Text]:
        """Return the lines that it shows now, in colour."""
        self.screen()
        return readScreen(self._screen)

    def line(self) -> str:
        """Return the line with the cursor."""
        return self.screen()[self._screen.cursor.y]

    def shows(self, text: str) -> bool:
        """Wait until it shows this; return whether it did."""
        return bool(eventually(lambda: text in "\n".join(self.screen())))

    def hidesCursor(self) -> bool:
        """Return whether the cursor is hidden."""
        self.screen()
        return bool(self._screen.cursor.hidden)

    def end(self, with_: signal.Signals | None = None) -> int:
        """Wait for the program's end, reading what it writes, and return its status."""
        if with_ is not None:
            self.process.send_signal(with_)

        def hasEnded() -> bool:
            self.screen()
            return self.process.poll() is not None

        eventually(hasEnded, PATIENCE)
        self.screen()
        status: int = self.process.wait(0)
        return status

    def _setSize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)


@contextmanager
def discarding(case: SynchronousTestCase, user: int) -> Iterator[None]:
    """
    Press Ctrl-C each time that select reports keys, before the program reads them. If the program
    then waits for more, a line ends that wait after L{PATIENCE}.

    @param user: the user's end of the terminal.
    """
    real = select.select

    def see(reading: Any, writing: Any, special: Any, *seconds: float) -> Any:
        seen = real(reading, writing, special, *seconds)
        if seen[0]:
            os.write(user, b"\3")
            case.assertTrue(eventually(lambda: not real(reading, [], [], 0)[0]))
        return seen

    case.patch(select, "select", see)
    more = Timer(PATIENCE, os.write, (user, b"q\n"))
    more.start()
    try:
        yield
    finally:
        more.cancel()


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return what a terminal shows of some output, and the beginning of a command at its end."""
    begun = _BEGUN.search(data)
    end = begun.start() if begun else len(data)
    return _KEYS.sub(b"", data[:end]), data[end:]
