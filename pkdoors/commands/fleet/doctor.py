"""C{pkdoors fleet doctor}, and how C{pkdoors check} asks the engine."""

from argparse import Namespace
from collections.abc import Mapping
from time import time
from typing import TYPE_CHECKING, Any, NoReturn

from pkdoors.commands._showing import addFindingOptions
from pkdoors.commands.fleet._place import addFleetOptions, openEngine, orExit, readFleetOf
from pkdoors.commands.parser import Parser
from pkdoors.errors import PkdoorsError

if TYPE_CHECKING:  # they load much
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.doctor.fleet.facts import EngineFacts
    from pkdoors.fleet.engine import IEngine


def addFleetDoctorCommand(command: Parser) -> None:
    """Add the options."""
    addFleetOptions(command, _check)
    command.describe(
        "It looks at the engine and at all hosts, and changes nothing; `pkdoors check` looks at "
        "this host, and has the same findings if a door belongs to the fleet. The exit status is 0 "
        "if all is well, 1 for warnings, 2 for errors; INFO does not count."
    )
    addFindingOptions(command)
    command.epilog = "Example: sudo pkdoors fleet doctor"


def _check(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    fleet = orExit(options, lambda: readFleetOf(options))
    from pkdoors.adminclient.location import findFleetFile
    from pkdoors.config.config import CONF_FILE
    from pkdoors.config.file import readConfig
    from pkdoors.doctor.findings import tellFindings
    from pkdoors.doctor.fleet.gathering import gatherFleet
    from pkdoors.doctor.fleet.judging import judgeFleet
    from pkdoors.doctor.sources import readOperators
    from pkdoors.host.systemd import isFleetOn

    try:
        doors = readConfig(options.conf or CONF_FILE).doors
    except PkdoorsError:  # `pkdoors check` says why
        doors = ()
    engine = askEngineOf(options, fleet)
    facts = gatherFleet(fleet, findFleetFile(options.conf), engine, doors, readOperators, isFleetOn)
    tellFindings(judgeFleet(facts), options.quiet, options.json)


def askEngineOf(options: Namespace, fleet: "FleetConfig") -> "EngineFacts":
    """Ask the engine of a fleet, in a reactor, which a process can run only once."""
    from pkdoors.commands._run import runReactor
    from pkdoors.doctor.fleet.asking import askEngine

    async def ask(reactor: Any) -> "EngineFacts":
        async def connect(asNobody: bool) -> "IEngine":
            return await openEngine(reactor, fleet, asNobody)

        return await askEngine(fleet, connect, time())

    return runReactor(options.parser, ask)
