"""Tests of L{pkdoors.commands.fleet.fleet}."""

from pkdoors.commands.fleet.fleet import FLEET_COMMANDS
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

    def test_wrong(self) -> None:
        """A command that does not exist is one line, and so is an option."""
        for words in (("statsu",), ("status", "--fly"), ("send",), ("ban",)):
            end = self.run_("fleet", *words)
            self.assertEqual((2, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
