"""Whether a program can run, and whether it is safe to run it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pkdoors.files.reading import readStart
from pkdoors.files.trust import Flaw, findFlaw, findNameFlaw

_FIRST_LINE = 256
"""Bytes of a script that the kernel reads to find its interpreter; C{execve(2)}."""


def explainNotRunnable(program: str) -> str:
    """Return why a program cannot run, as half a sentence; empty if it can."""
    path = Path(program)
    if not path.exists():
        return "does not exist"
    if not path.is_file():
        return "is not a file"
    return "" if os.access(path, os.X_OK) else "is not executable"


def findHookFlaw(command: Sequence[str]) -> Flaw | None:
    """
    Return why somebody else decides what a command does: they can change or create the program, the
    interpreter that its first line names, or a file among its arguments, such as a shell's script.
    Return L{None} if nobody else can.

    If the command runs right after this, it runs the files that were checked; see L{findFlaw}. Only
    root, this user, or somebody who has kept a file open since they could write it can change that.
    """
    return next(filter(None, map(_partFlaw, _partsOf(command))), None)


def _partFlaw(path: str) -> Flaw | None:
    if os.path.isfile(path):
        with suppress(OSError):  # it has just gone
            return findFlaw(path)
    return findNameFlaw(path)  # others must not put a file there between now and the run


def _partsOf(command: Sequence[str]) -> Iterator[str]:
    program, *arguments = command
    yield program
    yield from _interpreterOf(program)
    for argument in arguments:
        if os.path.isabs(argument):
            yield argument
            yield from _interpreterOf(argument)


def _interpreterOf(program: str) -> list[str]:
    try:
        first, _, _ = readStart(program, _FIRST_LINE).partition(b"\n")
    except OSError:
        return []
    words = first.removeprefix(b"#!").split()
    return [os.fsdecode(words[0])] if first.startswith(b"#!") and words else []
