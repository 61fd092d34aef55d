"""C{pkdoors daemon}: what C{twistd -n pkdoors} does, without looking for Twisted's plugins."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pkdoors.commands.daemonoptions import addDaemonOptions, listWords
from pkdoors.commands.parser import Parser, addFileOption
from pkdoors.config.settings import ABOUT
from pkdoors.util.output import getRawOutput

if TYPE_CHECKING:
    from twisted.logger import ILogObserver

    from pkdoors.daemon.process.options import Options

PLUGINS = {"pkdoors": "pkdoors.tap", "pkdoors-fleet": "pkdoors.fleet.tap"}
"""The modules of the plugins of C{twistd}."""
PRIVATE = 0o077
"""The umask: what a daemon creates is its owner's alone."""


def addDaemonCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        f"{ABOUT} The log goes to standard output, or to systemd's journal. The status is 78 if "
        "the configuration file is wrong, and 2 if an option is; the ports then stay closed."
    )
    command.add_argument(
        "-V", "--version", action="store_true", help="print the version of pkdoors"
    )
    addFileOption(
        command,
        "--logfile",
        help="append the log to this file, which only its owner can read; at 1 MB it becomes "
        "FILE.1, and ten such files are kept (default: standard output, or "
        "systemd's journal)",
    )
    addFileOption(
        command, "--pidfile", help="write the number of the process to this file (default: none)"
    )
    command.add_argument(
        "--log-json", action="store_true", help="log lines of JSON, with the fields of each event"
    )
    addDaemonOptions(command)
    command.epilog = "Example: sudo pkdoors daemon --conf /etc/pkdoors/pkdoors.toml"
    if sys.platform == "linux":
        command.ending = lambda: _makeOptions(os.environ).keepClosedFor(command.words)
    command.set_defaults(run=_run, parser=command)


def _makeOptions(environment: Mapping[str, str]) -> "Options":
    from pkdoors.daemon.process.options import Options

    class CommandOptions(Options):
        program = "pkdoors daemon"

    return CommandOptions(environment)


def _run(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.daemon.process.signals import handleInterrupt

    handleInterrupt()
    wanted = _makeOptions(environment)
    wanted.parseOptions(["--version"] if options.version else listWords(options))
    os.umask(PRIVATE)
    runTwistd("pkdoors", wanted, options.pidfile or "", _chooseLog(options, wanted, environment))


def _chooseLog(
    options: Namespace, wanted: "Options", environment: Mapping[str, str]
) -> "Callable[[], ILogObserver] | None":
    """Return what makes the observer of the log; L{None} for Twisted's own, on standard output."""
    from twisted.logger import textFileLogObserver

    from pkdoors.daemon.process.journal import JournalObserver, isJournal
    from pkdoors.daemon.process.jsonlog import makeJsonObserver
    from pkdoors.daemon.process.logfile import LogReopener, openLogFile
    from pkdoors.errors import ConfigError

    make = makeJsonObserver if options.log_json else textFileLogObserver
    if options.logfile:
        try:
            file: Any = openLogFile(options.logfile)
        except ConfigError as error:
            wanted.refuse(str(error))
        wanted.components = [LogReopener(file)]
        return partial(make, file)
    if options.log_json:
        return partial(make, getRawOutput())
    return JournalObserver if isJournal(environment) else None


def runTwistd(
    name: str, wanted: Any, pidfile: str, makeLog: "Callable[[], ILogObserver] | None"
) -> None:
    """
    Run a service as C{twistd} would. It is not asked to find the plugin, because for that it asks
    all plugins of the host, and writes what it has found.

    @param name: of the plugin.
    @param wanted: its options.
    """
    from twisted.application.service import ServiceMaker
    from twisted.logger import textFileLogObserver
    from twisted.scripts import twistd

    from pkdoors.daemon.process.ownname import OwnName

    make = makeLog or partial(textFileLogObserver, getRawOutput())
    program: Any = twistd
    options = program.ServerOptions()
    options.parseOptions(["--nodaemon", "--no_save", f"--pidfile={pidfile}"])
    options["logger"] = lambda: OwnName(name, make())
    options.loadedPlugins = {name: ServiceMaker(name, PLUGINS[name], "", name)}
    options.subCommand, options.subOptions = name, wanted
    program.runApp(options)
