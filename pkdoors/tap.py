"""
The entrance for Twisted: what C{twistd pkdoors} loads, and what an application calls that embeds
the service.

L{makeService} is for C{twistd} and C{twist}: it makes the whole process a daemon of pkdoors. An
application that has other things to do uses L{makeDoorService}, which leaves the process alone::

    from twisted.internet import reactor
    from pkdoors.tap import makeDoorService

    doors = makeDoorService(reactor, "/etc/pkdoors.toml")
    doors.setServiceParent(application)
"""

import os
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService

from pkdoors.config.commandline import WRONG_CONFIG
from pkdoors.config.config import Config
from pkdoors.config.file import readConfig
from pkdoors.config.lastgood import STATE, LastGood
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.daemon.process.memory import Memory
from pkdoors.daemon.process.options import Options
from pkdoors.daemon.process.setup import refuseUid, setUpProcess
from pkdoors.daemon.process.signals import handleHangup
from pkdoors.daemon.service import DoorService
from pkdoors.errors import BadValue, ConfigError, PkdoorsError
from pkdoors.host.instance import AlreadyRunning, Instance
from pkdoors.util.output import complain
from pkdoors.util.steady import SteadyReactor
from pkdoors.wiring import wire

if TYPE_CHECKING:
    pass

__all__ = ["Options", "makeDoorService", "makeService"]


def makeService(options: Options) -> IService:
    """
    Return the daemon, ready to start, in a process of its own. If something is missing, exit with
    one line on the terminal, and status 1; if the configuration is wrong, with L{WRONG_CONFIG}.
    """
    reactor = setUpProcess()
    try:
        with options.closedOnFailure():
            refuseUid(options.parent)
            service = wire(
                options.config,
                reactor,
                read=options.reread,
                lastGood=options.lastGood(),
                keepClosed=options.keepClosed,
                file=options.file,
                environment=os.environ,
                components=[Memory(), *options.components],
            )
            handleHangup(options.parent, reactor, service.reload)
            service.prepare()
    except AlreadyRunning as error:
        complain("pkdoors", str(error))
        raise SystemExit(1) from error
    except PkdoorsError as error:
        isWrong = isinstance(error, (BadValue, ConfigError))
        options.refuse(str(error), WRONG_CONFIG if isWrong else 1)
    return service


def makeDoorService(reactor: Any, file: str) -> DoorService:
    """
    Return a service for an application that embeds it. Nothing of the process changes: neither the
    reactor and its clock, nor TLS, signals, limits, the log, or what a service manager set in the
    environment. Needed are the right to change the firewall (root, or CAP_NET_ADMIN), also after
    the start, and L{STATE}. Start it as usual, for example with C{setServiceParent}.

    @param reactor: the application's.
    @param file: the configuration file.
    @raise PkdoorsError: the configuration is wrong, or the firewall cannot be used. The ports stay
        closed as in the last good configuration.
    """
    steady, path = SteadyReactor(reactor), os.path.abspath(file)
    lastGood = LastGood(STATE, path)

    def read() -> Config:
        return readConfig(path)

    def keep() -> str:
        return keepClosed(lastGood, Instance(), steady)

    try:
        config = read()
        return wire(
            config,
            steady,
            read=read,
            lastGood=lastGood,
            keepClosed=keep if config.firewall != "dry-run" else lambda: "",
            file=path,
        )
    except (PkdoorsError, OSError) as error:
        raise ConfigError(f"{error}{keep()}") from error
    except Exception:  # a mistake of ours must not leave the ports open
        keep()
        raise
