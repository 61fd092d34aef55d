"""The C{pkdoors} command."""

from collections.abc import Mapping
from os import environ

from pkdoors import __version__
from pkdoors.commands.check import addCheckCommand
from pkdoors.commands.completion import addCompletionCommand, answerShell
from pkdoors.commands.connect import addConnectCommand
from pkdoors.commands.control import (
    addCloseCommand,
    addOpenCommand,
    addReloadCommand,
    addStatusCommand,
)
from pkdoors.commands.init import addInitCommand
from pkdoors.commands.install import addInstallCommand
from pkdoors.commands.knock import addKnockCommand
from pkdoors.commands.parser import Parser
from pkdoors.commands.release import addReleaseCommand
from pkdoors.commands.sequence import addSequenceCommand
from pkdoors.commands.watch import addWatchCommand
from pkdoors.util.output import heedingOutput


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = environ) -> None:
    """
    Run a command. Ends with status 0, with 1 where it did not succeed, with 2 for wrong usage, with
    3 where there is no daemon to ask.
    """
    parser = makeParser()
    answerShell(parser, environment)
    with heedingOutput():
        options = parser.parse_args(arguments)
        options.run(options, environment)


def makeParser() -> Parser:
    """The commands and their options."""
    parser = Parser("pkdoors", description="Knock on doors that pkdoors keeps.")
    parser.add_argument(
        "-V", "--version", action="version", version=f"pkdoors {__version__.public()}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    addKnockCommand(commands)
    addConnectCommand(commands)
    addSequenceCommand(commands)
    addReleaseCommand(commands)
    addCheckCommand(commands)
    addInitCommand(commands)
    addInstallCommand(commands)
    addStatusCommand(commands)
    addWatchCommand(commands)
    addOpenCommand(commands)
    addCloseCommand(commands)
    addReloadCommand(commands)
    addCompletionCommand(commands)
    return parser
