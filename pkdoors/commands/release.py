"""C{pkdoors release}."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pkdoors.errors import PkdoorsError
from pkdoors.util.output import tell


def addReleaseCommand(commands: Any) -> None:
    about = "end the daemon, and take everything that pkdoors put into the firewall out of it"
    command = commands.add_parser("release", help=about, description=about.capitalize() + ".")
    command.add_argument(
        "--force", action="store_true", help="do not ask a daemon that runs to end first"
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
