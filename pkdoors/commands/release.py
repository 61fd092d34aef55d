"""C{pkdoors release} on the command line."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pkdoors.commands.parser import addCommand
from pkdoors.errors import PkdoorsError
from pkdoors.util.output import tell


def addReleaseCommand(commands: Any) -> None:
    """Add the command."""
    about = "stop the daemon, and remove everything that pkdoors put into the firewall"
    command = addCommand(commands, "release", about)
    command.add_argument(
        "--force", action="store_true", help="do not ask a running daemon to stop first"
    )
    command.set_defaults(run=_release, parser=command)


def _release(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.config.lastgood import STATE, removeCopies
    from pkdoors.install.release import release

    try:
        lines = release(options.force)
        removeCopies(STATE)
    except PkdoorsError as error:
        options.parser.exit(1, f"pkdoors release: {error}\n")
    tell(*(lines or ["there is nothing of pkdoors in the firewall"]))
