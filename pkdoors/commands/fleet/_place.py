"""What all commands of a fleet need: its configuration, and a connection to the engine."""

import os
from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pkdoors.commands.control import addConfOption
from pkdoors.commands.parser import Parser
from pkdoors.errors import KnockError, PkdoorsError
from pkdoors.util.output import complain, requireLinux

if TYPE_CHECKING:  # they load much
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.fleet.engine import IEngine
    from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

T = TypeVar("T")


def addFleetOptions(command: Parser, run: Any) -> None:
    """Add the options of all commands."""
    addConfOption(
        command, "the daemon's configuration file: fleet.toml is beside it, or named in it"
    )
    command.set_defaults(run=run, parser=command)


def readFleetOf(options: Namespace) -> "FleetConfig":
    """
    Return the configuration of the fleet.

    @raise ConfigError: there is none, or it is wrong.
    """
    requireLinux(options.parser.prog)
    from pkdoors.adminclient.location import findFleetFile
    from pkdoors.config.fleetfile import readFleet

    return readFleet(findFleetFile(options.conf))


def readOperators(fleet: "FleetConfig") -> "list[AuthorizedKey]":
    """
    Return the keys that can give orders; none if no file is named.

    @raise KeyFileError: the file cannot be used.
    """
    from pkdoors.keysources.keypath import readAll

    return readAll(fleet.operators)[0] if fleet.operators else []


async def openEngine(reactor: Any, fleet: "FleetConfig", asNobody: bool = False) -> "IEngine":
    """
    Connect to the engine, and log in as this host.

    @param asNobody: whether not to log in.
    @raise EngineError: it did not succeed.
    @raise ConfigError: the password or the certificate cannot be read.
    """
    from pkdoors.config.fleetfile import readPassword
    from pkdoors.fleet.redis import connectEngine

    if asNobody:
        return await connectEngine(reactor, fleet.engine._replace(user=""), "", fleet.ca)
    return await connectEngine(reactor, fleet.location, readPassword(fleet), fleet.ca)


def runWithEngine(
    options: Namespace, fleet: "FleetConfig", work: "Callable[[IEngine, Any], Awaitable[T]]"
) -> T:
    """
    Do some work with the engine. If it fails, print its error and end with status 1.

    @param work: called with the engine and the reactor.
    """
    from pkdoors.commands._run import runReactor

    async def run(reactor: Any) -> T:
        try:
            engine = await openEngine(reactor, fleet)
            try:
                return await work(engine, reactor)
            finally:
                await engine.close()
        except PkdoorsError as error:
            raise KnockError(str(error)) from error

    return runReactor(options.parser, run)


def orExit(options: Namespace, call: Callable[[], T]) -> T:
    """Call something. If it fails, print its error and end with status 1."""
    try:
        return call()
    except PkdoorsError as error:
        complain(options.parser.prog, str(error))
        raise SystemExit(1) from error


def hasSudoHiddenAgent(environment: Any) -> bool:
    """Return whether sudo may have hidden the user's SSH agent from this process."""
    return os.geteuid() == 0 and "SUDO_UID" in environment and "SSH_AUTH_SOCK" not in environment
