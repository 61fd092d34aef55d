"""The C{pkdoors} command."""

from argparse import Namespace
from collections.abc import Mapping
from os import environ
from typing import Any

from pkdoors import __version__
from pkdoors.commands.check import checkCommand
from pkdoors.commands.completion import answerShell, completionCommand
from pkdoors.commands.connect import connectCommand
from pkdoors.commands.control import closeCommand, openCommand, reloadCommand, statusCommand
from pkdoors.commands.init import initCommand
from pkdoors.commands.install import installCommand
from pkdoors.commands.knock import knockCommand
from pkdoors.commands.parser import Parser, lengthOption
from pkdoors.commands.watch import watchCommand
from pkdoors.errors import PkdoorsError
from pkdoors.model.sequence import Sequence
from pkdoors.util.output import heedingOutput, tell


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
    _sequenceCommand(commands)
    _releaseCommand(commands)
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


def _sequenceCommand(commands: Any) -> None:
    about = "print a new random sequence, of ports that are free on this host"
    command = commands.add_parser("sequence", help=about, description=about.capitalize() + ".")
    lengthOption(command)
    command.set_defaults(run=_sequence)


def _sequence(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.knockports.listener import isFree

    tell(str(Sequence.random(options.length, isFree)))


def _releaseCommand(commands: Any) -> None:
    about = "end the daemon, and take everything that pkdoors put into the firewall out of it"
    command = commands.add_parser("release", help=about, description=about.capitalize() + ".")
    command.add_argument(
        "--force", action="store_true", help="do not ask a daemon that runs to end first"
    )
    command.set_defaults(run=_release, parser=command)


def _release(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.config.lastgood import STATE, forget
    from pkdoors.install.release import release

    try:
        lines = release(options.force)
        forget(STATE)
    except PkdoorsError as error:
        options.parser.exit(1, f"pkdoors release: {error}\n")
    tell(*(lines or ["there is nothing of pkdoors in the firewall"]))
