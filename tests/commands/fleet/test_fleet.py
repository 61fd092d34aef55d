"""Tests of L{pkdoors.commands.fleet.fleet}."""

import os
import subprocess
from pathlib import Path

from pkdoors.commands.fleet.fleet import FLEET_COMMANDS
from tests.lab.hosts import BIN
from tests.test_cli import CommandTestCase


class FleetTests(CommandTestCase):
    """C{pkdoors fleet} itself."""

    def test_noCommand(self) -> None:
        """Without a command, all are listed."""
        end = self.run_("fleet")
        self.assertEqual((2, ""), (end.status, end.stdout))
        for name, command in FLEET_COMMANDS.items():
            self.assertIn(name, end.stderr)
            self.assertIn(" ".join(command.about.split()[:3]), end.stderr)

    def test_completion(self) -> None:
        """A shell completes the commands, their options, and the hosts of the fleet."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "pkdoors.toml").write_text("")
        (folder / "fleet.toml").write_text(
            'name = "prod"\nhost = "gate1"\nhosts = ["gate1", "web1"]\nengine = "redis://x"\n'
        )
        for line, wanted in (
            ("pkdoors fleet st", {"status "}),
            ("pkdoors fleet ban --pr", {"--print "}),
            (f"pkdoors fleet watch -c {folder}/pkdoors.toml --host w", {"web1 "}),
            (f"pkdoors fleet watch -c {folder}/none/pkdoors.toml --host w", set()),
        ):
            self.assertEqual(wanted, self.complete(line), line)

    def complete(self, line: str) -> set[str]:
        """Return what a shell offers after a line."""
        reader, writer = os.pipe()
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
        with open(writer, "wb") as output:
            more = {"_ARGCOMPLETE_IFS": "\v", "_ARGCOMPLETE_STDOUT_FILENAME": f"/dev/fd/{writer}"}
            subprocess.run(
                [BIN / "pkdoors"], env={**os.environ, **asked, **more}, pass_fds=[output.fileno()]
            )
        with open(reader) as answer:
            return {*filter(None, answer.read().split("\v"))}

    def test_wrong(self) -> None:
        """A command that does not exist is one line, and so is an option."""
        for words in (("statsu",), ("status", "--fly"), ("send",), ("ban",)):
            end = self.run_("fleet", *words)
            self.assertEqual((2, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
