"""The commands C{pkdoors trial} and C{pkdoors keep}."""

import os
import sys
import time
from argparse import SUPPRESS, Namespace
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from pkdoors.commands._program import showProgram
from pkdoors.commands.parser import Parser, asType
from pkdoors.config.config import CONF_FILE
from pkdoors.errors import InstallError, PkdoorsError
from pkdoors.util.durations import formatDuration, parseDuration
from pkdoors.util.output import getRawOutput, tell, tellText

if TYPE_CHECKING:  # these need Linux, and C{--help} does not
    from pkdoors.install.trials.notes import Notes
    from pkdoors.install.trials.trial import Host

USUAL, LEAST, MOST = 600.0, 5.0, 86_400.0
"""Seconds for a trial: so many unless somebody asks for another time, and the bounds."""


def addTrialCommand(command: Parser) -> None:
    """Add the options of C{trial}."""
    command.describe(
        "When the time is over, the daemon ends, its rules go, the ports open again, and nothing "
        "starts at boot, unless somebody has run `pkdoors keep`. That holds even if this command "
        "is killed, its terminal is closed, or the login is cut; a reboot ends the trial, too. The "
        "rules of other firewalls stay as they are then."
    )
    add = command.add_argument
    add(
        "duration",
        metavar="TIME",
        nargs="?",
        type=asType(partial(parseDuration, least=LEAST, most=MOST)),
        help=f"how long, 10m or 1h (default: {formatDuration(USUAL)})",
    )
    add("--end", action="store_true", help="end the trial now, and take everything back")
    add("--take-back", metavar="TOKEN", help=SUPPRESS)
    command.epilog = "Example: sudo pkdoors trial 10m"
    command.set_defaults(run=_trial, parser=command)


def addKeepCommand(command: Parser) -> None:
    """Add the options of C{keep}."""
    command.describe("The service then starts at each boot.")
    command.epilog = "Example: sudo pkdoors keep"
    command.set_defaults(run=_keep, parser=command)


def _keep(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.install.trials.trial import keepTrial, refuseOthers

    try:
        refuseOthers()
        tell(f"kept: {keepTrial(_findHost())}")
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")


def _trial(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.install.trials.trial import ENDED, endInTime, endTrial, refuseOthers

    if options.end and options.duration:
        options.parser.error("use TIME or --end, not both")
    try:
        refuseOthers()
        if options.take_back:
            tell(*endInTime(_findHost(), options.take_back))
        elif options.end:
            tell(*endTrial(_findHost()), f"the trial has ended: {ENDED}")
        else:
            _begin(_findHost(), options.duration or USUAL, showProgram(environment))
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")


def _findHost() -> "Host":
    from pkdoors.host.systemd import isRunning
    from pkdoors.install.installer import runCommand
    from pkdoors.install.trials.daemons import IDaemon, Process, Service
    from pkdoors.install.trials.trial import Host

    program = findOwnWords(sys.orig_argv, sys.argv)

    def makeDaemon(isService: bool) -> IDaemon:
        return Service(runCommand) if isService else Process(program)

    return Host(makeDaemon, isRunning(), program)


def findOwnWords(whole: list[str], arguments: list[str]) -> list[str]:
    """
    Return the words that start this program again, without its arguments and from any folder.

    @param whole: C{sys.orig_argv}.
    @param arguments: C{sys.argv}: the program, and its arguments.
    """
    words = whole[1 : len(whole) - len(arguments) + 1]
    paths = (os.path.abspath(word) if os.path.exists(word) else word for word in words)
    return [sys.executable, *paths]


def _begin(host: "Host", duration: float, program: str) -> None:
    """Say what is going to happen, let it happen, and count down on a terminal."""
    from pkdoors.firewall.firststart import STAY
    from pkdoors.host.systemd import isInstalled
    from pkdoors.install.trials.trial import beginTrial

    if host.isService and not isInstalled():
        raise InstallError(f"the service is not installed: run `{program} install-service` first")
    length = formatDuration(duration)
    tellText(
        f"This closes {_describePorts()} for {length}. Then everything is taken back: the daemon "
        "ends, its rules go, the ports\nopen again, and nothing starts at boot; the same if this "
        "host boots before that. The rules of your own firewall\nstay as you leave them: a rule "
        "that you remove does not come back, and one that you add does not go.\n"
    )
    getRawOutput().flush()
    beginTrial(host, duration)
    tellText(
        "\nThe ports are closed.\n"
        f"1. {STAY}\n"
        "2. Knock from a second terminal, and log in there.\n"
        f"3. If that works: {program} keep\n"
        f"If it does not, wait, or run `{program} trial --end`.\n"
    )
    if getRawOutput().isatty():
        _countDown(host)
    else:
        tell(f"The trial ends in {length}.")


def _describePorts() -> str:
    """
    Return the ports that the daemon will protect.

    @raise PkdoorsError: the configuration is wrong, which is better known before anything closes.
    """
    from pkdoors.config.file import readConfig
    from pkdoors.install.sharing import findConf

    config = readConfig(findConf() or CONF_FILE)
    ports = dict.fromkeys(str(ports) for door in config.doors for ports in door.ports)
    return ", ".join(ports) or "no port"


def _countDown(host: "Host") -> None:
    """Show how long the trial still lasts, until it ends, is kept, or Ctrl-C."""
    from pkdoors.install.trials.trial import ENDED, describeRest

    terminal = getRawOutput()
    last: Notes | None = None
    try:
        while (notes := host.notes.read()) is not None:
            last = notes
            left = describeRest(host, notes)
            terminal.write(f"\rThe trial ends in {left}. Ctrl-C hides this, and ends nothing.  ")
            terminal.flush()
            time.sleep(1)
    except KeyboardInterrupt:
        tell("", "The trial goes on.")
        return
    isOver = last is None or host.seconds() >= last.until
    if host.findDaemon() is not None:
        tell("", "Kept: the daemon goes on.")
    else:
        tell("", f"The trial has ended{'' if isOver else ' early'}: {ENDED}.")
