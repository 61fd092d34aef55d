"""The command C{pkdoors check}."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any, NoReturn

from pkdoors.commands.completion import completeWith, listCheckOptions


def addCheckCommand(commands: Any) -> None:
    """Add the command to those of C{pkdoors}."""
    # Argparse takes nothing for an option here: CheckOptions parses them all.
    command = commands.add_parser(
        "check", help="find what is wrong on this host", prefix_chars="\0", add_help=False
    )
    completeWith(command.add_argument("options", nargs="*"), listCheckOptions)
    command.set_defaults(run=_check)


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.doctor.check import checkHost
    from pkdoors.doctor.facts import Facts
    from pkdoors.doctor.findings import asJSON, asTable, exitStatusOf
    from pkdoors.doctor.options import CheckOptions
    from pkdoors.doctor.sources import Sources
    from pkdoors.util.output import tellText

    wanted = CheckOptions(environment)
    wanted.parseOptions(options.options)
    findings = list(checkHost(Facts(wanted.config, Sources(), wanted.file)))
    tellText(f"{asJSON(findings) if wanted['json'] else asTable(findings)}\n")
    raise SystemExit(exitStatusOf(findings))
