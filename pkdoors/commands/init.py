"""C{pkdoors init} on the command line."""

import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from os.path import abspath
from pathlib import Path
from shlex import quote
from typing import Any

from pkdoors.commands.parser import Parser, addLengthOption, asType, completeWith
from pkdoors.config.config import CONF_FILE, KEYS_FILE, SEED_FILE, SEED_NAME
from pkdoors.config.parser import parseSeed
from pkdoors.config.template import renderConf, renderProfile
from pkdoors.errors import BadValue, ConfigError, PkdoorsError
from pkdoors.host.serviceuser import NAME as SERVICE_USER
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort, asRange
from pkdoors.model.names import checkName
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import DEFAULT_LENGTH, Sequence
from pkdoors.util.output import tell, tellAside, tellDrawn, tellText
from pkdoors.util.quoting import shown


def addInitCommand(command: Parser) -> None:
    """Add the options."""
    output = command.add_argument(
        "--output",
        "-c",  # this and the next are the option's names in all other commands
        "--conf",
        metavar="FILE",
        default=CONF_FILE,
        type=asType(_parsePath),
        help="the file to write, which must not exist yet (default: %(default)s)",
    )
    seed = command.add_argument(
        "--seed",
        metavar="FILE",
        nargs="?",
        const=True,
        type=asType(_parsePath),
        help="take sequence, ports and times from the configuration of port-knocking-doors "
        f"(default: ~/{SEED_NAME}, or else {SEED_FILE})",
    )
    completeWith(output, "listFiles")
    completeWith(seed, "listFiles")
    addLengthOption(command)
    _addDoorOptions(command)
    command.add_argument(
        "--qr", action="store_true", help="also show the client's profile as a QR code"
    )
    # No default length, to see whether one was given.
    command.set_defaults(run=_init, parser=command, length=None)


def _addDoorOptions(command: Any) -> None:
    """Add the options about the door and its host."""
    add = command.add_argument
    add(
        "--door",
        metavar="NAME",
        type=asType(checkName),
        help="the door's name (default: ssh; with --seed: default)",
    )
    add(
        "-p",
        "--ports",
        metavar="PORTS",
        type=asType(parsePortRanges),
        help="the ports to protect: 22,80,51820/udp,6000-6010/tcp (default: 22)",
    )
    sealed = add(
        "--sealed",
        metavar="FILE",
        nargs="?",
        const=KEYS_FILE,
        type=asType(_parsePath),
        help="accept only knocks that are sealed with one of the SSH keys in FILE "
        f"(default: {KEYS_FILE})",
    )
    completeWith(sealed, "listFiles")
    add(
        "--address",
        metavar="HOST",
        type=asType(_parseHost),
        help="the name or address by which clients reach this host "
        "(default: its full name, or else its first address)",
    )


def _init(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.config.file import writeConf
    from pkdoors.host.names import getPublicName, getShortName

    try:
        door, told = (
            _convertSeed(options, environment) if options.seed else (_makeDoor(options), "")
        )
        profile = renderProfile(getShortName(), options.address or getPublicName(), door)
        isForService = writeConf(options.output, renderConf(door))
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    tellText(profile)
    if options.qr:
        _showQRCode(profile)
    tellAside(told + _describeNextSteps(options.output, door, isForService))


def _makeDoor(options: Namespace) -> Door:
    from pkdoors.knockports.search import isFree

    ports = options.ports or parsePortRanges("22")

    def isFit(port: KnockPort) -> bool:
        return not any(map(asRange(port).overlaps, ports)) and isFree(port)

    if options.tcp and options.sealed:
        options.parser.error("use --tcp or --sealed, not both: a sealed knock is a datagram")
    sequence = Sequence.random(options.length or DEFAULT_LENGTH, isFit, options.tcp)
    return Door(options.door or "ssh", sequence, ports, authorizedKeys=_listSealed(options))


def _listSealed(options: Namespace) -> tuple[str, ...]:
    return (options.sealed,) if options.sealed else ()


def _convertSeed(options: Namespace, environment: Mapping[str, str]) -> tuple[Door, str]:
    """Return the door of port-knocking-doors' file, and what to print about the file."""
    from pkdoors.config.file import readConf

    for name in ("length", "ports", "tcp"):
        if getattr(options, name) not in (None, False):
            options.parser.error(
                f"argument --{name}: --seed takes this from its file: use only one of the two"
            )
    file = _findSeed(options, environment)
    door, lines = parseSeed(readConf(file), file)
    warnings = [] if options.sealed else door.sequence.warnings()
    lines += [f"warning: {warning}" for warning in warnings]
    told = f"\nFrom {file}, which stays as it is:\n" + "".join(f"  {line}\n" for line in lines)
    name = options.door or door.name
    return replace(door, name=name, authorizedKeys=_listSealed(options)), told


def _findSeed(options: Namespace, environment: Mapping[str, str]) -> str:
    from pkdoors.config.file import isThere, listSeedPlaces

    places = listSeedPlaces(environment) if options.seed is True else [options.seed]
    found = next(filter(isThere, places), "")
    if not found:
        raise ConfigError(
            f"no configuration of port-knocking-doors found (looked for {', '.join(places)}): "
            "use --seed FILE to name it"
        )
    return found


def _showQRCode(text: str) -> None:
    import segno

    drawn = StringIO()
    segno.make(text).terminal(drawn, compact=True)
    try:
        tellDrawn(drawn.getvalue())
    except UnicodeEncodeError:
        tell("(no QR code: the terminal's encoding is not UTF-8)")


def _describeNextSteps(file: str, door: Door, isForService: bool) -> str:
    here = quote(str(Path(sys.executable).parent))
    conf = "" if file == CONF_FILE else f" --conf {quote(file)}"
    daemon = f"{here}/twistd -n --pidfile= pkdoors{conf}"
    if isForService and not conf:
        daemon = "systemctl enable --now pkdoors"
    readers = f"Only root and the service (user {SERVICE_USER}) may read the file.\n"
    keys = (
        f"Put the clients' public SSH keys into {', '.join(door.authorizedKeys)}.\n"
        "The daemon refuses sealed knocks for a minute after its first start.\n"
    )
    return (
        f"\nWrote {file}. Put the lines above into ~/.config/pkdoors/hosts.toml on the client "
        "(chmod 600): they are just as secret.\n"
        f"{readers if isForService else ''}"
        f"{keys if door.authorizedKeys else ''}"
        f"Check the configuration:  {here}/pkdoors check{conf}\n"
        f"Then start the daemon:    {daemon}\n"
    )


def _parseHost(text: str) -> str:
    if not re.fullmatch(r"[\w:][\w.:%-]*", text):
        raise BadValue(f"{shown(text)} is not a name or address of a host")
    return text


def _parsePath(text: str) -> str:
    if not text or not text.isprintable():
        raise BadValue(f"{shown(text)} is not a usable file name: use printable characters only")
    return abspath(text)
