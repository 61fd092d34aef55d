"""C{pkdoors fleet init} on the command line."""

import os
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import PurePath
from typing import TYPE_CHECKING

from pkdoors.commands._program import showProgram
from pkdoors.commands.parser import Parser, addFileOption, asType, completeWith, parsePath
from pkdoors.config.config import CONF_FILE, FLEET_NAME
from pkdoors.config.fleet import Engine, FleetConfig, parseEngine
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.model.fleetnames import checkFleetHost, checkFleetName
from pkdoors.util.output import tellText

if TYPE_CHECKING:
    from pkdoors.commands.setup._fleetsteps import Setting

SYSTEM = "system"
"""The word for the certificates of this host's system."""
_CA = "fleet-ca.pem"
_PASSWORD = "fleet.password"


def addFleetInitCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        "Run it on each host of the fleet, with the same words. It makes the host's own password, "
        "and prints what to do: on the engine's host, here, and on the other hosts."
    )
    _addFleetArguments(command)
    ca = command.add_argument(
        "--ca",
        metavar="FILE",
        type=asType(_parseCa),
        help=f"the certificates that vouch for the engine's (default: {_CA} beside --output), or "
        f"the word {SYSTEM} for those of this system",
    )
    completeWith(ca, "listFiles")
    addFileOption(
        command,
        "--operators",
        help="the SSH keys that may give orders to the fleet, in a file like authorized_keys",
    )
    addFileOption(
        command,
        "--output",
        default=f"{os.path.dirname(CONF_FILE)}/{FLEET_NAME}",
        help="the file to write, which must not exist yet (default: %(default)s)",
    )
    command.add_argument(
        "--valkey", action="store_true", help="print the files of Valkey, instead of Redis"
    )
    command.epilog = (
        "Example: sudo pkdoors fleet init prod gate1 web1 web2 --engine rediss://redis.example"
    )
    command.set_defaults(run=_init, parser=command)


def _parseCa(text: str) -> str:
    return SYSTEM if text == SYSTEM else parsePath(text)


def _addFleetArguments(command: Parser) -> None:
    """Add what says which fleet it is."""
    add = command.add_argument
    add("name", metavar="NAME", type=asType(checkFleetName), help="the name of the fleet")
    add(
        "hosts",
        metavar="HOST",
        nargs="+",
        type=asType(checkFleetHost),
        help="the names of its hosts, this one among them",
    )
    add(
        "--engine",
        metavar="URL",
        required=True,
        type=asType(parseEngine),
        help="the Redis or Valkey server: rediss://redis.example:6379 with TLS, redis:// without",
    )
    add(
        "--this",
        metavar="HOST",
        type=asType(checkFleetHost),
        help="which of the hosts this one is (default: the one that has its name)",
    )


def _init(options: Namespace, environment: Mapping[str, str]) -> None:
    try:
        fleet = _makeFleet(options)
        setting = _writeFiles(options, fleet, showProgram(environment))
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    from pkdoors.commands.setup._fleetsteps import describeSteps

    tellText(describeSteps(fleet, setting))


def _makeFleet(options: Namespace) -> FleetConfig:
    engine: Engine = options.engine
    if engine.user:
        raise BadValue(
            "--engine: each host logs in with its own name: leave out the user before the @"
        )
    hosts = tuple(dict.fromkeys(options.hosts))
    host = options.this or _findOwnName(hosts)
    if host not in hosts:
        raise BadValue(f"--this: {host!r} is not one of the hosts: {', '.join(hosts)}")
    beside = PurePath(options.output)
    ca = options.ca or str(beside.with_name(_CA))
    if options.ca and not engine.isTls:
        raise BadValue("--ca is for an engine with TLS: use rediss:// in --engine")
    return FleetConfig(
        options.name,
        host,
        hosts,
        engine,
        password=str(beside.with_name(_PASSWORD)),
        ca=ca if engine.isTls and ca != SYSTEM else "",
        operators=options.operators or "",
    )


def _findOwnName(hosts: tuple[str, ...]) -> str:
    """
    Return the name in the list that is this host's.

    @raise BadValue: none is.
    """
    from socket import gethostname

    name = gethostname().lower()
    for own in (name, name.partition(".")[0]):
        if own in hosts:
            return own
    raise BadValue(
        f"none of the hosts has the name of this one, {name}: name this one with --this HOST"
    )


def _writeFiles(options: Namespace, fleet: FleetConfig, program: str) -> "Setting":
    """Write the files, both or none; return what the steps depend on."""
    from importlib.util import find_spec
    from secrets import token_urlsafe

    from pkdoors.commands.setup._fleetsteps import Setting
    from pkdoors.config.file import writeConf
    from pkdoors.config.fleetfile import renderFleet
    from pkdoors.fleet.access import REDIS, VALKEY, makeUser
    from pkdoors.host.serviceuser import findFleetGroup, letGroupRead

    password = token_urlsafe(32)
    with ExitStack() as undoing:

        def undo(path: str) -> None:
            with suppress(OSError):
                os.unlink(path)

        writeConf(options.output, renderFleet(fleet), _letAllRead)
        undoing.callback(undo, options.output)
        group = findFleetGroup()
        isShared = writeConf(fleet.password, f"{password}\n", lambda f: letGroupRead(f, group))
        undoing.pop_all()
    return Setting(
        program=program,
        file=options.output,
        isUsual=options.output == options.parser.get_default("output"),
        words=_repeat(options),
        user=makeUser(fleet.name, fleet.host, password),
        server=VALKEY if options.valkey else REDIS,
        hasClient=find_spec("txredisapi") is not None,
        isShared=isShared,
    )


def _letAllRead(descriptor: int) -> bool:
    os.fchmod(descriptor, 0o644)
    return True


def _repeat(options: Namespace) -> str:
    """Return the words of the command that are the same on all hosts."""
    from shlex import quote

    words = [options.name, *dict.fromkeys(options.hosts), "--engine", quote(str(options.engine))]
    for name in ("ca", "operators"):
        if path := getattr(options, name):
            words += [f"--{name}", quote(path)]
    return " ".join([*words, *(["--valkey"] if options.valkey else [])])
