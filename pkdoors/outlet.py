"""Standard output, which may be closed, full, or a pipe whose reader has read enough."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

BROKEN_PIPE = 128 + signal.SIGPIPE
"""The exit status that a shell gives a program which ended by that signal."""


@contextmanager
def heedingOutput() -> Iterator[None]:
    """
    Run a command. Where what it prints goes nowhere, end: without a word where the reader has had
    enough, C{pkdoors status | head}, else with status 1 and a sentence.
    """
    _fillClosed()
    try:
        try:
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
