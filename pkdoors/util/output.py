"""
Standard output and error. Only this module writes to them.

They may be closed, full, or a pipe whose reader has gone. Others choose parts of what a command
prints: the name of a process, the comment of a key. None of that may control the terminal, so this
module cleans all output, even if a caller forgets to.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn, TextIO

from pkdoors.util.oneline import printable

BROKEN_PIPE = 128 + 13
"""The exit status that a shell reports for a program that SIGPIPE ended, which Windows lacks."""


def tell(*lines: str) -> None:
    """Print lines at once, each as one line, whatever it holds."""
    for line in lines:
        print(printable(line))
    sys.stdout.flush()


def tellText(text: str) -> None:
    """Print a text of several lines, which is our own except for names in it."""
    print(printable(text, "\n\t"), end="", flush=True)


def tellDrawn(text: str) -> None:
    """
    Print text with the escape sequences that it needs: a L{CleanConsole} has drawn it, or it is our
    own.
    """
    stream = getRawOutput()
    stream.write(f"{text}\n")
    stream.flush()


def complain(program: str, *lines: str) -> None:
    """
    Print lines to standard error, each as one line, whatever it holds.

    @param program: the program that complains.
    """
    for line in lines:
        print(printable(f"{program}: {line}"), file=sys.stderr)


def passOn(text: str) -> None:
    """
    Print to standard error what another program says, with nothing in it that controls the
    terminal. Any thread can do that, also while the process ends.
    """
    data = printable(text, "\n\t").encode(errors="replace")
    with suppress(OSError):
        os.write(2, data)


def requireLinux(program: str) -> None:
    """End a program for the daemon's host with status 1 and a sentence if this is not Linux."""
    if sys.platform != "linux":
        complain(program, "this needs Linux: run it on the host whose ports the daemon protects")
        raise SystemExit(1)


def requireWhole(program: str, what: str) -> NoReturn:
    """End the client in one file, which lacks something, with status 1 and a sentence."""
    complain(
        program,
        f"{what} is not in this file: install all of pkdoors (from a clone of its project, with "
        "`pip install PATH`), and use that",
    )
    raise SystemExit(1)


def tellAside(text: str) -> None:
    """Print a text as L{tellText} does, to standard error."""
    print(printable(text, "\n\t"), end="", file=sys.stderr, flush=True)


def getRawOutput() -> Any:
    """Return standard output itself, for callers that clean what they draw."""
    return sys.stdout.raw if isinstance(sys.stdout, CleanStream) else sys.stdout


class CleanStream:
    """
    A stream that lets nothing control the terminal.

    @ivar raw: the stream behind it.
    """

    def __init__(self, raw: IO[str]) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write a text, cleaned."""
        self.raw.write(printable(text, "\n\t"))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        """Write some texts, cleaned."""
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
def guardOutput() -> Iterator[None]:
    """
    Run a command, and end the process if its output cannot be written: silently if the reader has
    gone, as in C{pkdoors status | head}, otherwise with status 1 and a sentence.
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
        if error.filename is not None:  # a file failed, not the output
            raise
        _printNoMore(sys.stdout)
        try:
            line = f"pkdoors: cannot write to standard output: {error.strerror}"
            print(line, file=sys.stderr, flush=True)
        except OSError:
            _printNoMore(sys.stderr)
        raise SystemExit(1) from None


def fillStandard() -> None:
    """
    Open standard input, output and error on C{/dev/null} if they are closed. Otherwise the next
    file to be opened would get one of their numbers, and be taken for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _fillClosed() -> None:
    """
    Give Python a stream for each one that it found closed, and set to L{None}. Writing to standard
    output then fails, as it should.
    """
    fillStandard()
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _printNoMore(stream: TextIO) -> None:
    """Send the rest nowhere: Python flushes the stream once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
