"""C{pkdoors import} on the command line."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from pkdoors.client.export.hostsfile import addToFile
from pkdoors.client.export.profiletext import describeProfile
from pkdoors.client.export.uri import MAX_URI, checkName, parseUri
from pkdoors.client.profiles import Profile
from pkdoors.commands.parser import Parser, asType
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.util.output import tell, tellAside, tellText


def addImportCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        "Without URI, the command reads it from standard input, where `ps` does not show the "
        "secret in it: zbarimg --raw code.png | pkdoors import"
    )
    add = command.add_argument
    add(
        "uri",
        metavar="URI",
        nargs="?",
        default="-",
        help="the line that `pkdoors export --format uri` printed, or the text of a QR code: pkdoors://...",
    )
    add(
        "--name",
        metavar="NAME",
        type=asType(checkName),
        help="the profile's name (default: the one in the URI, or else its host)",
    )
    add(
        "--replace",
        action="store_true",
        help="replace the profile of that name; its identity stays, if the new one is sealed",
    )
    command.epilog = "Example: zbarimg --raw code.png | pkdoors import --name home"
    command.set_defaults(run=_import, parser=command)


def _import(options: Namespace, environment: Mapping[str, str]) -> None:
    parser: Parser = options.parser
    try:
        text = _readInput() if options.uri == "-" else options.uri
        name, table = parseUri(text)
        path, profile = addToFile(environment, options.name or name, table, options.replace)
    except BadValue as error:
        parser.error(str(error))
    except PkdoorsError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    _showAdded(str(path), options.name or name, profile)


def _readInput() -> str:
    """
    Return a line of standard input.

    @raise BadValue: it is not text.
    """
    if sys.stdin.isatty():
        tellAside("Paste the address, pkdoors://..., and press Enter:\n")
    try:
        return sys.stdin.readline(MAX_URI + 2)
    except ValueError as error:
        raise BadValue("standard input is not text") from error


def _showAdded(path: str, name: str, profile: Profile) -> None:
    tell(f"Added to {path}:")
    tellText(describeProfile(name, profile))
