"""Tests of L{pkdoors.util.output}: commands whose output cannot be written."""

import ast
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.console import makeConsole
from pkdoors.doctor.findings import ERROR, Finding, asJSON, asTable
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.util import output as outlet
from pkdoors.util.output import (
    BROKEN_PIPE,
    complain,
    fillStandard,
    guardOutput,
    passOn,
    tell,
    tellAside,
    tellDrawn,
    tellText,
)
from tests import ROOT
from tests.lab.sources import modules


class CommandTests(SynchronousTestCase):
    """
    The whole C{pkdoors} command.
    """

    def run_(self, arguments: str, output: int = subprocess.DEVNULL) -> tuple[int, str]:
        """Return the exit status as a shell sees it, and standard error."""
        command = f"{sys.executable} -c 'from pkdoors.cli import main; main()' {arguments}"
        done = subprocess.run(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        return done.returncode, done.stderr

    def test_readEnough(self) -> None:
        """A reader that has read enough causes no complaint, and the status is that of SIGPIPE."""
        for arguments in (
            "check -m 17001,17203,17005,17404,17002 -p 22",
            "check --json -m 17001,17203,17005,17404,17002 -p 22",
            "sequence",
            "--help",
        ):
            reading, writing = os.pipe()
            os.close(reading)
            self.assertEqual((BROKEN_PIPE, ""), self.run_(arguments, writing))
            os.close(writing)

    def test_lost(self) -> None:
        """Output that cannot be written gives one sentence and status 1, with any command."""
        for arguments in ("sequence", "--version", "completion bash"):
            for where, why in ((">/dev/full", "No space left on"), (">&-", "Bad file descriptor")):
                status, said = self.run_(f"{arguments} {where}")
                self.assertEqual((1, 1), (status, said.count("\n")), said)
                self.assertTrue(
                    said.startswith(f"pkdoors: cannot write to standard output: {why}"), said
                )

    def test_longHelp(self) -> None:
        """So does a help that is longer than Python's buffer, which is written in the middle."""
        program = (
            "from pkdoors.commands.parser import Parser\n"
            "from pkdoors.util.output import guardOutput\n"
            "with guardOutput(): Parser(prog='x', description='y' * 100_000).parse_args(['--help'])"
        )
        argv = [sys.executable, "-c", program]
        with open("/dev/full", "w") as full:
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((1, 1), (done.returncode, done.stderr.count("\n")), done.stderr)
        self.assertIn("No space left on", done.stderr)

    def test_allLost(self) -> None:
        """If standard error cannot be written either, the status remains."""
        self.assertEqual((1, ""), self.run_("sequence >/dev/full 2>/dev/full"))
        self.assertEqual((1, ""), self.run_("sequence >&- 2>&-"))


class HeedingTests(SynchronousTestCase):
    """
    Tests of L{guardOutput} and L{fillStandard}.
    """

    def test_others(self) -> None:
        """An error about a file, or any other error, is not mistaken for one of the output."""

        def fail(error: Exception) -> None:
            with guardOutput():
                raise error

        with redirect_stdout(StringIO()):
            for error in (FileNotFoundError(2, "No such file", "/nowhere"), ValueError()):
                self.assertIs(error, self.assertRaises(type(error), fail, error))

    def test_filled(self) -> None:
        """Before a command opens anything, what is closed is filled."""
        filled = []
        self.patch(outlet, "fillStandard", lambda: filled.append(True))
        with redirect_stdout(StringIO()), guardOutput():
            self.assertEqual([True], filled)

    def test_fillStandard(self) -> None:
        """Closed standard streams are opened on /dev/null; open ones stay."""
        opened: list[tuple[str, int]] = []

        def fstat(number: int) -> None:
            if number == 1:
                raise OSError(9, "Bad file descriptor")

        self.patch(os, "fstat", fstat)
        self.patch(os, "open", lambda *arguments: opened.append(arguments))
        fillStandard()
        self.assertEqual([(os.devnull, os.O_RDWR)], opened)


NASTY = "a\x1b[2J\x1b]0;owned\x07\r\b\x7f\x9b31m\u202e\u2028\ud800\U000e0001\nOK all is well\tz"
"""Sequences that clear the screen, set a title, hide earlier text, or start a line of their own."""


class CleaningTests(SynchronousTestCase):
    """
    Nothing that a command prints controls the terminal.
    """

    def printed(self, *work: Callable[[], object]) -> list[str]:
        """Return the lines that some functions print to standard output and error."""
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            with guardOutput():
                for each in work:
                    each()
        return (stdout.getvalue() + stderr.getvalue()).split("\n")

    def assertClean(self, lines: list[str]) -> None:
        """Assert that nothing in the lines controls a terminal."""
        self.assertTrue(any("owned" in line for line in lines), lines)
        for line in lines:
            self.assertTrue(line.replace("\t", "").isprintable(), ascii(line))

    def test_oneLine(self) -> None:
        """A line stays one line, whatever it holds."""
        lines = self.printed(lambda: tell(NASTY), lambda: complain("pkdoors", NASTY))
        self.assertClean(lines)
        self.assertEqual(3, len(lines))
        self.assertEqual(
            "a\\x1b[2J\\x1b]0;owned\\x07\\r\\x08\\x7f\\x9b31m\\u202e\\u2028\\ud800\\U000e0001"
            "\\nOK all is well\\tz",
            lines[0],
        )

    def test_text(self) -> None:
        """A text keeps its newlines and tabs, and no other control characters."""
        lines = self.printed(lambda: tellText(NASTY), lambda: tellAside(NASTY))
        self.assertClean(lines)
        self.assertIn("OK all is well\t", lines[1])

    def test_passOn(self) -> None:
        """What another program says cannot control the terminal, and may be lost."""
        written: list[tuple[int, bytes]] = []

        def write(number: int, data: bytes) -> int:
            written.append((number, data))
            raise BrokenPipeError

        self.patch(os, "write", write)
        passOn("\x1b]52;c;eA==\x07 who\ta\u202e\n\ud800")
        self.assertEqual([(2, b"\\x1b]52;c;eA==\\x07 who\ta\\u202e\n\\ud800")], written)

    def test_alone(self) -> None:
        """Each cleans also where nothing else does."""
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            for work in (tell, tellText, tellAside):
                work(NASTY)
            complain("pkdoors", NASTY)
        self.assertClean(stdout.getvalue().split("\n"))
        self.assertClean(stderr.getvalue().split("\n"))

    def test_afterwards(self) -> None:
        """After a command both are what they were before."""
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            with guardOutput():
                self.assertIsNot(stdout, sys.stdout)
            self.assertIs(stdout, sys.stdout)
            self.assertIs(stderr, sys.stderr)

    def test_forgotten(self) -> None:
        """Output that bypasses the module is cleaned, too: a library's message, a traceback."""

        def forget() -> None:
            print(NASTY)
            sys.stderr.writelines([NASTY])
            ArgumentParser("p")._print_message(NASTY)

        self.assertClean(self.printed(forget))

    def test_console(self) -> None:
        """What rich draws is cleaned, but keeps its colours."""
        with redirect_stdout(StringIO()) as stdout, guardOutput():
            from rich.table import Table
            from rich.text import Text

            console = makeConsole({})
            console._force_terminal, console.no_color = True, False
            table = Table(NASTY)
            table.add_row(Text(NASTY))
            for each in (NASTY, Text(NASTY), table):
                console.print(each, markup=False)
        self.assertClean(stdout.getvalue().split("\n"))

    def test_drawn(self) -> None:
        """Drawn text is printed unchanged."""
        self.assertEqual(["\x1b[1mx", ""], self.printed(lambda: tellDrawn("\x1b[1mx")))

    def test_errors(self) -> None:
        """Our own errors are one clean line, wherever they are shown."""
        self.assertTrue(str(PkdoorsError(NASTY)).isprintable())
        self.assertTrue(str(BadValue(NASTY).at(NASTY)).isprintable())

    def test_findings(self) -> None:
        """Each part of a finding is clean, whatever name a process gives itself."""
        nasty = Finding(ERROR, NASTY, NASTY, NASTY)
        for text in (asTable([nasty]), asJSON([nasty])):
            self.assertClean(text.split("\n"))
        self.assertEqual(3, len(asTable([nasty]).split("\n")))  # a remedy may have several


class OnePlaceTests(SynchronousTestCase):
    """
    No module can forget to clean what it prints.
    """

    def test_nobodyElse(self) -> None:
        """Only L{pkdoors.util.output} writes to standard output and error."""
        for name, tree in modules().items():
            found = set(prints(tree))
            if name != "util.output":
                self.assertEqual(set(), found, name)

    def test_drawn(self) -> None:
        """
        Few modules print escape sequences: those with output of a L{CleanConsole}, a QR code, or a
        line that is drawn again.
        The daemon's log is clean already.
        """
        users = {
            name
            for name, tree in modules().items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and node.id in ("tellDrawn", "getRawOutput")
        }
        self.assertEqual(
            {
                "util.output",
                "commands.exporting.output",
                "commands.control",
                "commands.fleet.status",
                "commands.fleet.watch",
                "commands.service.trial",
                "commands.service.daemon",
                "adminclient.console",
            },
            users,
        )

    def test_noticed(self) -> None:
        """The test notices each way to print."""
        for text in ("print(x)", "sys.stdout.write(x)", "f(file=sys.stderr)", "sys.__stdout__"):
            self.assertTrue(list(prints(ast.parse(text))), text)


def prints(tree: ast.AST) -> Iterator[str]:
    """Yield the ways in which a module prints."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "print":
                yield "print"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "sys" and node.attr.strip("_") in ("stdout", "stderr"):
                yield f"sys.{node.attr}"
