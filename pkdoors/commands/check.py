"""The command C{pkdoors check}."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any, NoReturn

from pkdoors.commands.completion import completeWith, listCheckOptions


def addCheckCommand(commands: Any) -> None:
    """Add the command to those of C{pkdoors}."""
    # No character begins an option for argparse: all of them are for CheckOptions.
    command = commands.add_parser(
        "check", help="find what is wrong on this host", prefix_chars="\0", add_help=False
    )
    completeWith(command.add_argument("options", nargs="*"), listCheckOptions)
    command.set_defaults(run=_check)


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.doctor.check import Check, Host
    from pkdoors.doctor.findings import asJSON, asTable, statusOf
    from pkdoors.doctor.options import CheckOptions
    from pkdoors.util.output import tellText

    wanted = CheckOptions(environment)
    wanted.parseOptions(options.options)
    findings = list(Check(wanted.config, Host(), wanted.file).run())
    tellText(f"{asJSON(findings) if wanted['json'] else asTable(findings)}\n")
    raise SystemExit(statusOf(findings))
