"""The C{pkdoors} command."""

from collections.abc import Mapping
from os import environ

from pkdoors import __version__
from pkdoors.commands.check import checkCommand
from pkdoors.commands.completion import answerShell, completionCommand
from pkdoors.commands.connect import connectCommand
from pkdoors.commands.control import closeCommand, openCommand, reloadCommand, statusCommand
from pkdoors.commands.init import initCommand
from pkdoors.commands.install import installCommand
from pkdoors.commands.knock import knockCommand
from pkdoors.commands.parser import Parser
from pkdoors.commands.release import releaseCommand
from pkdoors.commands.sequence import sequenceCommand
from pkdoors.commands.watch import watchCommand
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
    knockCommand(commands)
    connectCommand(commands)
    sequenceCommand(commands)
    releaseCommand(commands)
    checkCommand(commands)
    initCommand(commands)
    installCommand(commands)
    statusCommand(commands)
    watchCommand(commands)
    openCommand(commands)
    closeCommand(commands)
    reloadCommand(commands)
    completionCommand(commands)
    return parser
