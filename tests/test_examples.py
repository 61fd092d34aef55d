"""Tests of the examples at the end of each command's help."""

import os
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import COMMANDS, main, makeParser
from pkdoors.commands.fleet.fleet import FLEET_COMMANDS


class ExampleTests(SynchronousTestCase):
    """Tests of all examples."""

    def help(self, *command: str) -> str:
        """Return a help."""
        with redirect_stdout(StringIO()) as stdout:
            end = self.assertRaises(SystemExit, main, [*command, "--help"], {})
        self.assertIn(end.code, (0, None))
        return stdout.getvalue()

    def example(self, name: str) -> str:
        """Return the example of a command: the last line of its help."""
        last = self.help(name).rstrip("\n").splitlines()[-1]
        self.assertTrue(
            last.startswith("Example: "), f"{name}: set command.epilog = 'Example: pkdoors {name}'"
        )
        return last.removeprefix("Example: ")

    def test_works(self) -> None:
        """Each command has an example of itself, in one line, which its parser accepts."""
        for name in COMMANDS:
            example = self.example(name)
            # What a pipe, a redirection or another program's option surrounds.
            found = re.search(rf"\bpkdoors {name}\b[^|>'()]*", example)
            assert found is not None, example
            self.assertNotRegex(example, r"\b[A-Z]{2,}\b|<|\.\.\.", "a placeholder")
            line = found[0].replace("%h", "home.example").replace("%p", "22")
            words = shlex.split(line)
            self.assertEqual(["pkdoors", name], words[:2])
            with redirect_stderr(StringIO()) as stderr:
                try:
                    makeParser(name).parse_args(words[1:])
                except SystemExit:
                    self.fail(f"{example}: {stderr.getvalue()}")

    def test_inner(self) -> None:
        """So has each command of C{pkdoors fleet}."""
        for name in FLEET_COMMANDS:
            last = self.help("fleet", name).rstrip("\n").splitlines()[-1]
            found = re.search(rf"^Example: .*?\b(pkdoors fleet {name}\b[^|>]*)", last)
            assert found is not None, last
            words = shlex.split(found[1])
            self.assertEqual(name, words[2])
            makeParser("fleet").parse_args(words[1:])

    def test_narrow(self) -> None:
        """A narrow terminal breaks no example."""
        whole = {name: self.example(name) for name in COMMANDS}
        self.patch(os, "environ", {**os.environ, "COLUMNS": "30"})
        self.assertEqual(whole, {name: self.example(name) for name in COMMANDS})
