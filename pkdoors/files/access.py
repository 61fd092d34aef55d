"""Whether a program can be run, and whether it may be."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pkdoors.files.reading import readStart
from pkdoors.files.trust import Flaw, findFlaw, findNameFlaw

_FIRST_LINE = 256
"""Bytes of a script that the kernel reads; C{execve(2)}."""


def explainNotRunnable(program: str) -> str:
    """Why a program cannot be run, as half a sentence; empty where it can."""
    path = Path(program)
    if not path.exists():
        return "does not exist"
    if not path.is_file():
        return "is no program"
    return "" if os.access(path, os.X_OK) else "is not executable"


def findHookFlaw(command: Sequence[str]) -> Flaw | None:
    """
    Return why somebody else decides what a command does: they can change the program, the
    interpreter that its first line names, or a file among its arguments, as a script for a shell
    is; or they can put one there where there is none. L{None} where nobody can.

    Whoever runs the command right after this runs what was looked at: see L{findFlaw}. Only root or
    we could have made it changeable in between, or somebody who has had it open since it was.
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
    for each in arguments:
        if os.path.isabs(each):
            yield each
            yield from _interpreterOf(each)


def _interpreterOf(program: str) -> list[str]:
    try:
        first, _, _ = readStart(program, _FIRST_LINE).partition(b"\n")
    except OSError:
        return []
    words = first.removeprefix(b"#!").split()
    return [os.fsdecode(words[0])] if first.startswith(b"#!") and words else []
