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
from pkdoors.util.output import guardOutput


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = environ) -> None:
    """
    Run a command. It ends with status 0, with 1 if it did not succeed, with 2 if it was used
    wrongly, or with 3 if no daemon is running.
    """
    parser = makeParser()
    answerShell(parser, environment)
    with guardOutput():
        options = parser.parse_args(arguments)
        options.run(options, environment)


def makeParser() -> Parser:
    """Return the parser of all commands and their options."""
    parser = Parser(
        "pkdoors", description="Knock on hosts that run pkdoors, and operate its daemon."
    )
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
