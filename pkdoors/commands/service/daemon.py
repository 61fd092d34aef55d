"""C{pkdoors daemon}: what C{twistd -n pkdoors} does, without looking for Twisted's plugins."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pkdoors.commands.daemonoptions import addDaemonOptions, listWords
from pkdoors.commands.parser import Parser, addFileOption
from pkdoors.config.settings import ABOUT

if TYPE_CHECKING:
    from pkdoors.daemon.process.options import Options

PRIVATE = 0o077
"""The umask: what a daemon creates is its owner's alone."""


def addDaemonCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        f"{ABOUT} The log goes to standard output. The status is 78 if the "
        "configuration file is wrong, and 2 if an option is; the ports then stay closed."
    )
    command.add_argument(
        "-V", "--version", action="store_true", help="print the version of pkdoors"
    )
    addFileOption(
        command,
        "--logfile",
        help="append the log to this file, which only its owner can read; at 1 MB it becomes "
        "FILE.1, and ten such files are kept (default: standard output)",
    )
    addFileOption(
        command, "--pidfile", help="write the number of the process to this file (default: none)"
    )
    addDaemonOptions(command)
    command.epilog = "Example: pkdoors daemon --conf /etc/pkdoors/pkdoors.toml"
    if sys.platform == "linux":
        command.ending = lambda: _makeOptions(os.environ).keepClosedFor(command.words)
    command.set_defaults(run=_run, parser=command)


def _makeOptions(environment: Mapping[str, str]) -> "Options":
    from pkdoors.daemon.process.options import Options

    class CommandOptions(Options):
        program = "pkdoors daemon"

    return CommandOptions(environment)


def _run(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.daemon.process.logfile import LogReopener, openLogFile
    from pkdoors.daemon.process.signals import handleInterrupt
    from pkdoors.errors import ConfigError

    handleInterrupt()
    wanted = _makeOptions(environment)
    wanted.parseOptions(["--version"] if options.version else listWords(options))
    os.umask(PRIVATE)
    logTo = None
    if options.logfile:
        try:
            logTo = openLogFile(options.logfile)
        except ConfigError as error:
            wanted.refuse(str(error))
        wanted.components = [LogReopener(logTo)]
    _runTwistd(wanted, options.pidfile or "", logTo)


def _runTwistd(wanted: "Options", pidfile: str, logTo: Any) -> None:
    """
    Run the daemon as C{twistd} would. It is not asked to find the plugin, because for that it asks
    all plugins of the host, and writes what it has found.
    """
    from twisted.application.service import ServiceMaker
    from twisted.logger import textFileLogObserver
    from twisted.scripts import twistd

    program: Any = twistd
    options = program.ServerOptions()
    options.parseOptions(["--nodaemon", "--no_save", f"--pidfile={pidfile}"])
    if logTo:
        options["logger"] = partial(textFileLogObserver, logTo)
    options.loadedPlugins = {"pkdoors": ServiceMaker("pkdoors", "pkdoors.tap", "", "pkdoors")}
    options.subCommand, options.subOptions = "pkdoors", wanted
    program.runApp(options)
