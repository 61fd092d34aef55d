"""The command C{pkdoors check}."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from twisted.python.usage import UsageError

from pkdoors.options import Options


class CheckOptions(Options):
    """The daemon's options, and how the findings are shown."""

    synopsis = "Usage: pkdoors check [--conf FILE | --magic-seq PORTS --ports PORTS] [options]"
    longdesc = (
        "Finds what is wrong on this host, and changes nothing. It reads the configuration file "
        "and takes the options that the daemon does. The exit status is 0 where all is well, "
        "1 for warnings, 2 for errors."
    )
    optFlags: ClassVar = [["json", None, "print a list of objects, for programs"]]

    def refuse(self, line: str) -> NoReturn:
        """See L{Options.refuse}."""
        print(f"pkdoors check: {line}", file=sys.stderr)
        raise SystemExit(2)

    def hint(self, error: UsageError) -> str:
        """See L{Options.hint}."""
        return "`pkdoors check --help` shows all options"


def checkCommand(commands: Any) -> None:
    """Add the command to those of C{pkdoors}."""
    # No character begins an option for argparse: all of them are for CheckOptions.
    command = commands.add_parser(
        "check", help="find what is wrong on this host", prefix_chars="\0", add_help=False
    )
    command.add_argument("options", nargs="*")
    command.set_defaults(run=_check)


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from pkdoors.check import Check, Host
    from pkdoors.doctor.findings import asJSON, asTable, statusOf

    wanted = CheckOptions(environment)
    wanted.parseOptions(options.options)
    findings = list(Check(wanted.config, Host()).run())
    print(asJSON(findings) if wanted["json"] else asTable(findings))
    raise SystemExit(statusOf(findings))
