"""The command C{pkdoors check}."""

import os
from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from pkdoors.commands._showing import addFindingOptions
from pkdoors.commands.daemonoptions import addDaemonOptions, listWords
from pkdoors.commands.parser import Parser

if TYPE_CHECKING:  # only hosts of a fleet need them
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.doctor.fleet.facts import EngineFacts


def addCheckCommand(command: Parser) -> None:
    """Add the options: the daemon's, and how to print the findings."""
    command.describe(
        "The check changes nothing. It reads the configuration file, and accepts the options that "
        "the daemon does. The exit status is 0 if all is well, 1 for warnings, 2 for errors; INFO "
        "does not count."
    )
    addFindingOptions(command)
    addDaemonOptions(command)
    command.epilog = "Example: sudo pkdoors check --quiet"
    command.set_defaults(run=_check, parser=command)


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    from dataclasses import replace

    from pkdoors.doctor.check import checkHost
    from pkdoors.doctor.facts import Facts
    from pkdoors.doctor.findings import tellFindings
    from pkdoors.doctor.options import CheckOptions
    from pkdoors.doctor.sources import Sources

    wanted = CheckOptions(environment)
    wanted.parseOptions(listWords(options))
    sources = replace(Sources(), engine=partial(_askEngine, options))
    tellFindings(checkHost(Facts(wanted.config, sources, wanted.file)), options.quiet, options.json)


def _askEngine(options: Namespace, fleet: "FleetConfig") -> "EngineFacts":
    """
    Ask the engine of this host's fleet.

    @raise PermissionError: this user may not read this host's password.
    """
    from pkdoors.commands.fleet.doctor import askEngineOf

    if os.path.exists(fleet.password) and not os.access(fleet.password, os.R_OK):
        raise PermissionError(fleet.password)
    return askEngineOf(options, fleet)
