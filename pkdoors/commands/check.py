"""The command C{pkdoors check}."""

from argparse import Namespace
from collections.abc import Mapping
from typing import NoReturn

from pkdoors.commands.parser import Parser, completeWith


def addCheckCommand(command: Parser) -> None:
    """Add what the command has beside its name: CheckOptions parses all options."""
    completeWith(command.add_argument("options", nargs="*"), "listCheckOptions")
    command.set_defaults(run=_check)


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.doctor.options import CheckOptions
    from pkdoors.util.output import tellText

    wanted = CheckOptions(environment)
    wanted.parseOptions(options.options)

    # After the options: C{--help} works everywhere, and these need Linux.
    from pkdoors.doctor.check import checkHost
    from pkdoors.doctor.facts import Facts
    from pkdoors.doctor.findings import asJSON, asTable, exitStatusOf, selectFaults
    from pkdoors.doctor.sources import Sources

    findings = list(checkHost(Facts(wanted.config, Sources(), wanted.file)))
    chosen = selectFaults(findings) if wanted["quiet"] else findings
    if wanted["json"]:
        tellText(f"{asJSON(chosen)}\n")
    elif chosen:
        tellText(f"{asTable(chosen)}\n")
    raise SystemExit(exitStatusOf(findings))
