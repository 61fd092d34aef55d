"""C{pkdoors fleet}, and which commands it has."""

from argparse import Namespace
from collections.abc import Mapping
from typing import NoReturn

from pkdoors.commands.parser import Command, Parser, addCommands

FLEET_COMMANDS = {
    "init": Command(
        "make this host one of a fleet, and print what the engine and the others need",
        "setup.fleet",
        "addFleetInitCommand",
    ),
    "daemon": Command(
        "run the process that connects this host's daemon with the engine, in the foreground",
        "fleet.daemon",
        "addFleetDaemonCommand",
    ),
    "status": Command(
        "show which hosts are up, all openings, and the orders",
        "fleet.status",
        "addFleetStatusCommand",
    ),
    "watch": Command(
        "show the events of all hosts together", "fleet.watch", "addFleetWatchCommand"
    ),
    "close": Command(
        "close the openings for an address or a network, or all, on every host",
        "fleet.orders",
        "addFleetCloseCommand",
    ),
    "ban": Command(
        "end what a key opened, and let it open nothing more, on every host",
        "fleet.orders",
        "addFleetBanCommand",
    ),
    "unban": Command("let a banned key open again", "fleet.orders", "addFleetUnbanCommand"),
    "send": Command(
        "give an order that was signed elsewhere to the fleet",
        "fleet.orders",
        "addFleetSendCommand",
    ),
    "doctor": Command("find what is wrong in the fleet", "fleet.doctor", "addFleetDoctorCommand"),
}
"""Name -> command. A command is listed here once all of it works."""


def addFleetCommand(command: Parser) -> None:
    """Add the commands."""
    command.describe(
        "A sealed knock at one of them opens the door on all. The manual has a page on fleets, "
        "which begins with how to make one."
    )
    command.epilog = "Example: sudo pkdoors fleet status"
    addCommands(command, FLEET_COMMANDS).required = False
    command.set_defaults(run=_showHelp, parser=command)


def _showHelp(options: Namespace, environment: Mapping[str, str]) -> NoReturn:
    parser: Parser = options.parser
    parser.exit(2, parser.format_help())
