"""The client in a program of its own: the one in docs/client-api.md, as it is there."""

import os
import re
import sys
from pathlib import Path

from tests import ROOT
from tests.lab.case import KNOCKS, PORT, RealTestCase
from tests.lab.hosts import CLIENT4, SERVER4
from tests.lab.sealing import makeKey, publicLine

PROGRAM = re.findall(r"```python\n(.*?)```", (ROOT / "docs/client-api.md").read_text(), re.S)[0]
PLUGIN = "[mypy]\nplugins = mypy_zope:plugin\n"


class ProgramTests(RealTestCase):
    """The program, in a folder in which nothing else is."""

    def setUp(self) -> None:
        """Write it, and a key."""
        super().setUp()
        self.empty = self.folder / "empty"
        self.empty.mkdir()
        self.program = self.empty / "program.py"
        self.program.write_text(PROGRAM)
        key = makeKey()
        self.keys = self.folder / "authorized_keys"
        self.keys.write_text(publicLine(key))
        self.key = self.folder / "key"
        self.key.write_bytes(key.toString("openssh"))
        self.key.chmod(0o600)

    def run_(self, *arguments: str) -> tuple[int, str]:
        """Run the program on the client, with no agent; return its status and its output."""
        script = f'cd {self.empty} && exec "$@"'
        command = (sys.executable, str(self.program), *arguments)
        return self.client.status("sh", "-c", script, "sh", *command, SSH_AUTH_SOCK="")

    def test_opens(self) -> None:
        """It opens the door, and finds it open afterwards."""
        daemon = self.start("-k", str(self.keys))
        status, output = self.run_(SERVER4, KNOCKS, str(self.key), str(PORT))
        self.assertEqual(0, status, output)
        self.assertRegex(output, rf"^{SERVER4} opened \d+\.\d\d s after the knock\n$")
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertTrue(daemon.says("(10m), by anna@laptop"))
        status, output = self.run_(SERVER4, KNOCKS, str(self.key), str(PORT))
        self.assertEqual((0, f"{SERVER4} was open already\n"), (status, output))

    def test_fails(self) -> None:
        """An error is one sentence, without a traceback."""
        self.start("-k", str(self.keys))
        self.keys.write_text(publicLine(makeKey()))
        for arguments, what in (
            ((SERVER4, KNOCKS, str(self.key), "2300"), "nothing listens on that port"),
            (("nowhere.invalid", KNOCKS, str(self.key), "22"), "no address found"),
            ((SERVER4, KNOCKS, str(self.folder / "none"), "22"), "none: no such file"),
        ):
            status, output = self.run_(*arguments)
            self.assertEqual(1, status, output)
            self.assertIn("no way in: ", output)
            self.assertIn(what, output)
            self.assertNotIn("Traceback", output)

    def test_types(self) -> None:
        """It passes C{mypy --strict}, with and without the plugin; a wrong program does not."""
        wrong = PROGRAM.replace("outcome.seconds is None", "outcome.minutes is None")
        self.assertNotEqual(PROGRAM, wrong)
        (self.empty / "wrong.py").write_text(wrong.replace("port: str", "port: list[int]"))
        (self.empty / "plugin.ini").write_text(PLUGIN)
        for configuration in ("plugin.ini", os.devnull):
            with self.subTest(configuration):
                status, output = self.mypy(configuration, "program.py")
                self.assertEqual(0, status, output)
                status, output = self.mypy(configuration, "wrong.py")
                self.assertEqual(1, status, output)
                self.assertIn('"Outcome" has no attribute "minutes"', output)
                self.assertIn('No overload variant of "int" matches argument type', output)

    def mypy(self, configuration: str, program: str) -> tuple[int, str]:
        """Check a program; return mypy's status and output."""
        cache = self.folder / f"cache-{Path(configuration).name}"
        command = (sys.executable, "-m", "mypy", "--strict", "--config-file", configuration)
        script = f'cd {self.empty} && exec "$@"'
        options = ("--cache-dir", str(cache), program)
        return self.client.status("sh", "-c", script, "sh", *command, *options)
