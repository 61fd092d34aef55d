"""What C{twistd pkdoors-fleet} loads: the fleet's process."""

import os
import time
from functools import partial
from typing import Any, ClassVar

from twisted.application.service import IService
from twisted.logger import globalLogPublisher
from twisted.python.usage import UsageError

from pkdoors.adminclient.location import findFleetFile
from pkdoors.config.commandline import WRONG_CONFIG, CommandLine
from pkdoors.config.fleet import FleetConfig
from pkdoors.config.fleetfile import readFleet, readPassword
from pkdoors.daemon.process.signals import handleHangup, handleInterrupt
from pkdoors.errors import PkdoorsError
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.redis import connectEngine
from pkdoors.fleet.relay.daemonlink import DaemonLink
from pkdoors.fleet.relay.service import FleetService
from pkdoors.host.descriptors import raiseLimit
from pkdoors.host.instance import FOLDER
from pkdoors.util.cleanlog import cleanLog
from pkdoors.util.quoting import shown

ABOUT = (
    "Carry sealed knocks, orders and events between this host's daemon and the other hosts of its "
    "fleet. It needs no privileges: the daemon judges what it hands in."
)
FILE = "/etc/pkdoors/fleet.toml"
FILE_ABOUT = f"the fleet's configuration file (default: {FILE})"
CONF_ABOUT = "the daemon's configuration file: fleet.toml is beside it, or named in it"
SOCKET = f"{FOLDER}/fleet.sock"
SOCKET_ABOUT = f"the daemon's socket for the fleet (default: {SOCKET})"


class Options(CommandLine):
    """
    The options.
    """

    program, speaker = "twistd pkdoors-fleet", "pkdoors-fleet"
    synopsis = "[--file FILE | --conf FILE] [--socket PATH]"
    longdesc = ABOUT
    optParameters: ClassVar = [
        ["file", "f", None, FILE_ABOUT],
        ["conf", "c", None, CONF_ABOUT],
        ["socket", "s", SOCKET, SOCKET_ABOUT],
    ]

    def parseArgs(self, *rest: str) -> None:
        """Refuse all words that are not options."""
        if rest:
            raise UsageError(f"{shown(rest[0])} is not an option")

    @property
    def path(self) -> str:
        """
        The path of the fleet's configuration file.

        @raise AskError: the daemon's file, which could name it, does not exist.
        """
        if self["file"]:
            return str(os.path.abspath(self["file"]))
        if self["conf"]:
            return findFleetFile(os.path.abspath(self["conf"]))
        return FILE


def makeService(options: Options) -> IService:
    """
    Return the fleet's process, ready to start. If the configuration is wrong now, exit with one
    line and L{WRONG_CONFIG}; what becomes wrong later is reported, and tried again.
    """
    handleInterrupt()
    raiseLimit()
    cleanLog(globalLogPublisher)
    from twisted.internet import reactor

    loop: Any = reactor
    # Twisted's clock is the time of day: if somebody sets that back, timers come late.
    loop.seconds = time.monotonic
    try:
        read = partial(readFleet, options.path)
        readPassword(read())
    except PkdoorsError as error:
        options.refuse(str(error), WRONG_CONFIG)

    async def connect(fleet: FleetConfig) -> IEngine:
        return await connectEngine(loop, fleet.location, readPassword(fleet), fleet.ca)

    service = FleetService(loop, read, connect, DaemonLink(loop, options["socket"]))
    handleHangup(options.parent, loop, service.reload)
    return service
