"""C{pkdoors fleet status}."""

import json
from argparse import Namespace
from collections.abc import Mapping
from time import time
from typing import TYPE_CHECKING, Any

from pkdoors.commands._showing import SHOWN, addLimitOptions
from pkdoors.commands.fleet._place import (
    addFleetOptions,
    orExit,
    readFleetOf,
    readOperators,
    runWithEngine,
)
from pkdoors.commands.parser import Parser
from pkdoors.util.output import tellDrawn, tellText

if TYPE_CHECKING:  # they load much
    from pkdoors.fleet.engine import IEngine
    from pkdoors.fleet.overview.survey import Survey


def addFleetStatusCommand(command: Parser) -> None:
    """Add the options."""
    addFleetOptions(command, _status)
    command.describe(
        "It asks the engine, with this host's password, so it needs root. BEHIND is how long the "
        "oldest knock or order has waited that the host has not read."
    )
    command.add_argument("--json", action="store_true", help="print the whole status, for programs")
    addLimitOptions(command)
    command.epilog = "Example: sudo pkdoors fleet status"


def _status(options: Namespace, environment: Mapping[str, str]) -> None:
    fleet = orExit(options, lambda: readFleetOf(options))
    from pkdoors.adminclient.console import makeConsole
    from pkdoors.fleet.overview.orderlist import listOrders
    from pkdoors.fleet.overview.statusjson import simplifyFleet
    from pkdoors.fleet.overview.statusview import formatFleet
    from pkdoors.fleet.overview.survey import surveyFleet

    operators = orExit(options, lambda: readOperators(fleet))

    async def ask(engine: "IEngine", reactor: Any) -> "Survey":
        return await surveyFleet(engine, fleet.name, fleet.hosts, time())

    survey = runWithEngine(options, fleet, ask)
    orders = listOrders(survey.entries, fleet.name, operators, survey.time)
    if options.json:
        tellText(json.dumps(simplifyFleet(fleet.name, survey, orders), indent=2) + "\n")
        return
    limit = None if options.all else SHOWN if options.limit is None else options.limit
    console = makeConsole(environment)
    tellDrawn(formatFleet(fleet.name, str(fleet.engine), survey, orders, console, limit))
