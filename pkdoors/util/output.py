"""
Standard output and error: the one place that writes to them.

They may be closed, full, or a pipe whose reader has read enough. What is written may be somebody
else's choice in part: the name of a process, the comment of a key. Nothing of that may steer the
terminal, so all that a command prints is cleaned here, whoever forgets to.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO

from pkdoors.util.oneline import printable

BROKEN_PIPE = 128 + signal.SIGPIPE
"""The exit status that a shell gives a program which ended by that signal."""


def tell(*lines: str) -> None:
    """Print lines, each as one line, whatever it holds; at once, before something else is said."""
    for line in lines:
        print(printable(line))
    sys.stdout.flush()


def tellText(text: str) -> None:
    """Print a text of several lines that is our own, but for names in it."""
    print(printable(text, "\n\t"), end="", flush=True)


def tellDrawn(text: str) -> None:
    """
    Print what was drawn for a terminal, with what steers it: by a L{CleanConsole}, or of our own.
    """
    stream = rawOutput()
    stream.write(f"{text}\n")
    stream.flush()


def complain(who: str, *lines: str) -> None:
    """
    Print lines to standard error, each as one line, whatever it holds.

    @param who: which program says so.
    """
    for line in lines:
        print(printable(f"{who}: {line}"), file=sys.stderr)


def tellAside(text: str) -> None:
    """As L{tellText}, to standard error."""
    print(printable(text, "\n\t"), end="", file=sys.stderr, flush=True)


def rawOutput() -> Any:
    """Return standard output itself, for what cleans by itself what it draws."""
    return sys.stdout.raw if isinstance(sys.stdout, CleanStream) else sys.stdout


class CleanStream:
    """
    A stream on which nothing steers the terminal.

    @ivar raw: the stream itself.
    """

    def __init__(self, raw: IO[str]) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write a text without what steers a terminal."""
        self.raw.write(printable(text, "\n\t"))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write some texts likewise."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextmanager
def _cleaning() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    streams: Any = sys
    streams.stdout, streams.stderr = map(CleanStream, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def heedingOutput() -> Iterator[None]:
    """
    Run a command. Where what it prints goes nowhere, end: without a word where the reader has had
    enough, C{pkdoors status | head}, else with status 1 and a sentence.
    """
    _fillClosed()
    try:
        try:
            with _cleaning():
                yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _printNoMore(sys.stdout)
        raise SystemExit(BROKEN_PIPE) from None
    except OSError as error:
        if error.filename is not None:  # it is about that file
            raise
        _printNoMore(sys.stdout)
        try:
            why = f"pkdoors: cannot write to standard output: {error.strerror}"
            print(why, file=sys.stderr, flush=True)
        except OSError:
            _printNoMore(sys.stderr)
        raise SystemExit(1) from None


def fillStandard() -> None:
    """
    Have a standard input, output and error that lead nowhere where they are closed: what is opened
    next would get that number otherwise, and be taken for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _fillClosed() -> None:
    """For Python, a stream that is closed is none; here, one that is printed to fails."""
    fillStandard()
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _printNoMore(stream: TextIO) -> None:
    """Python flushes once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
