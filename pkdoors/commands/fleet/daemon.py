"""C{pkdoors fleet daemon}: what C{twistd -n pkdoors-fleet} does."""

import os
from argparse import Namespace
from collections.abc import Mapping

from pkdoors.commands.parser import Parser, addFileOption
from pkdoors.commands.service.daemon import PRIVATE, runTwistd


def addFleetDaemonCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        "It carries sealed knocks, orders and events between this host's daemon and the engine. "
        "The log goes to standard output, or to systemd's journal. It needs no privileges. The "
        "status is 78 if the fleet's configuration is wrong at the start."
    )
    addFileOption(
        command, "--file", help="the fleet's configuration (default: /etc/pkdoors/fleet.toml)"
    )
    addFileOption(
        command,
        "-c",
        "--conf",
        help="the daemon's configuration, if that of the fleet is the fleet.toml beside it",
    )
    addFileOption(
        command,
        "--socket",
        help="the daemon's socket for the fleet (default: /run/pkdoors/fleet.sock)",
    )
    command.epilog = "Example: sudo -u pkdoors-fleet pkdoors fleet daemon"
    command.set_defaults(run=_run, parser=command)


def _run(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.daemon.process.journal import JournalObserver, isJournal
    from pkdoors.daemon.process.signals import handleInterrupt
    from pkdoors.fleet.tap import Options

    handleInterrupt()
    wanted = Options()
    wanted.program = "pkdoors fleet daemon"
    given = {name: getattr(options, name) for name in ("file", "conf", "socket")}
    wanted.parseOptions([f"--{name}={value}" for name, value in given.items() if value])
    os.umask(PRIVATE)
    runTwistd("pkdoors-fleet", wanted, "", JournalObserver if isJournal(environment) else None)
