"""C{pkdoors export} on the command line."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from os.path import abspath, realpath
from shutil import which

from pkdoors.client.export.subject import Subject
from pkdoors.client.profilefile import readProfiles
from pkdoors.client.profiles import Profile
from pkdoors.commands.exporting.output import (
    addFormatOption,
    prepareExport,
    showExport,
    writeFile,
)
from pkdoors.commands.parser import Parser, addFileOption, completeWith
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.util.quoting import quoteHost


def addExportCommand(command: Parser) -> None:
    """Add the options."""
    name = command.add_argument(
        "name", metavar="NAME", help="a profile in ~/.config/pkdoors/hosts.toml"
    )
    completeWith(name, "listProfiles")
    addFormatOption(command)
    addFileOption(
        command,
        "-o",
        "--output",
        help="the file to write, which must not exist yet (default: standard output)",
    )
    command.epilog = "Example: pkdoors export home --format bash -o knock-home.sh"
    command.set_defaults(run=_export, parser=command)


def _export(options: Namespace, environment: Mapping[str, str]) -> None:
    parser: Parser = options.parser
    try:
        profile = _findProfile(options.name, environment)
        subject = Subject(options.name, profile, _findProgram(), options.output or "")
        made = prepareExport(options.format, subject)
    except BadValue as error:
        parser.error(str(error))
    except PkdoorsError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    try:
        writeFile(made)
    except PkdoorsError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    showExport(made)


def _findProfile(name: str, environment: Mapping[str, str]) -> Profile:
    profiles = readProfiles(environment)
    found = profiles.get(name)
    if found is None:
        if profiles.findGroup(name):
            raise BadValue(f"{quoteHost(name)} is a group: export its hosts one by one")
        raise BadValue(f"there is no profile {quoteHost(name)}")
    return found


def _findProgram() -> str:
    """Return how a shell starts this program."""
    typed = abspath(sys.argv[0])
    found = which("pkdoors")
    return "pkdoors" if found and realpath(found) == realpath(typed) else typed
