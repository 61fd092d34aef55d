"""Tests of L{pkdoors.outlet}: commands whose output goes nowhere."""

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.outlet import BROKEN_PIPE, fillStandard, heedingOutput

ROOT = Path(__file__).parent.parent


class CommandTests(SynchronousTestCase):
    """
    The whole C{pkdoors} command.
    """

    def run_(self, arguments: str) -> tuple[int, str]:
        """The status that a shell sees of it, and what comes on standard error."""
        command = f"{sys.executable} -c 'from pkdoors.cli import main; main()' {arguments}"
        done = subprocess.run(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        return done.returncode, done.stderr

    def test_readEnough(self) -> None:
        """A reader that has read enough is no trouble, and the status is that of SIGPIPE."""
        for arguments in (
            "check -m 17001,17203,17005,17404,17002 -p 22",
            "check --json -m 17001,17203,17005,17404,17002 -p 22",
            "sequence",
            "--help",
        ):
            self.assertEqual((BROKEN_PIPE, ""), self.run_(f"{arguments} | true"))

    def test_lost(self) -> None:
        """What cannot be written is one sentence, and status 1, whichever command it is."""
        for arguments in ("sequence", "--version", "completion bash"):
            for where, why in ((">/dev/full", "No space left on"), (">&-", "Bad file descriptor")):
                status, said = self.run_(f"{arguments} {where}")
                self.assertEqual((1, 1), (status, said.count("\n")), said)
                self.assertTrue(
                    said.startswith(f"pkdoors: cannot write to standard output: {why}"), said
                )

    def test_allLost(self) -> None:
        """Where nobody can be told, the status is left."""
        self.assertEqual((1, ""), self.run_("sequence >/dev/full 2>/dev/full"))
        self.assertEqual((1, ""), self.run_("sequence >&- 2>&-"))


class HeedingTests(SynchronousTestCase):
    """
    Tests of L{heedingOutput} and L{fillStandard}.
    """

    def test_others(self) -> None:
        """What is wrong with a file, or is anything else, is not taken for the output."""

        def fail(error: Exception) -> None:
            with heedingOutput():
                raise error

        with redirect_stdout(StringIO()):
            for error in (FileNotFoundError(2, "No such file", "/nowhere"), ValueError()):
                self.assertIs(error, self.assertRaises(type(error), fail, error))

    def test_fillStandard(self) -> None:
        """What is closed of the three leads nowhere, what is open stays."""
        opened: list[tuple[str, int]] = []

        def fstat(number: int) -> None:
            if number == 1:
                raise OSError(9, "Bad file descriptor")

        self.patch(os, "fstat", fstat)
        self.patch(os, "open", lambda *arguments: opened.append(arguments))
        fillStandard()
        self.assertEqual([(os.devnull, os.O_RDWR)], opened)
