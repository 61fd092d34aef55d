"""C{pkdoors release} on the command line."""

from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress

from pkdoors.commands.parser import Parser
from pkdoors.errors import PkdoorsError
from pkdoors.util.output import tell

AT_BOOT = (
    "The next boot starts the service again, and closes the ports. To prevent that: "
    "systemctl disable pkdoors"
)


def addReleaseCommand(command: Parser) -> None:
    """Add the options."""
    command.add_argument(
        "--force", action="store_true", help="do not ask a running daemon to stop first"
    )
    command.epilog = "Example: sudo pkdoors release"
    command.set_defaults(run=_release, parser=command)


def _release(options: Namespace, environment: Mapping[str, str]) -> None:
    from subprocess import SubprocessError

    from pkdoors.host.systemd import startsAtBoot
    from pkdoors.install.release import releaseAll

    try:
        lines = releaseAll(options.force)
    except PkdoorsError as error:
        options.parser.exit(1, f"pkdoors release: {error}\n")
    tell(*(lines or ["there is nothing of pkdoors in the firewall"]))
    with suppress(OSError, SubprocessError):  # the release is done, whatever systemd answers
        if startsAtBoot():
            tell(AT_BOOT)
