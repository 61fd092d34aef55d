"""C{pkdoors init} on the command line."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from pkdoors.client.export.formats import QR
from pkdoors.client.export.subject import Subject
from pkdoors.client.profiles import Profile
from pkdoors.commands.exporting.output import (
    Export,
    addFormatOption,
    prepareExport,
    showExport,
    writeFile,
)
from pkdoors.commands.parser import (
    Parser,
    addFileOption,
    addLengthOption,
    asType,
)
from pkdoors.config.config import CONF_FILE, KEYS_FILE, SEED_FILE, SEED_NAME
from pkdoors.config.parser import parseSeed
from pkdoors.config.template import renderConf
from pkdoors.errors import ConfigError, PkdoorsError
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort, asRange
from pkdoors.model.names import checkHost, checkName
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import DEFAULT_LENGTH, Sequence
from pkdoors.util.output import tell, tellAside

NEEDS_PROFILE = "ssh-config"
"""A format that is of no use alone: the client needs the profile, too."""


def addInitCommand(command: Parser) -> None:
    """Add the options."""
    addFileOption(
        command,
        "--output",
        "-c",  # this and the next are the option's names in all other commands
        "--conf",
        default=CONF_FILE,
        help="the file to write, which must not exist yet (default: %(default)s)",
    )
    addFileOption(
        command,
        "--seed",
        nargs="?",
        const=True,
        help="take sequence, ports and times from the configuration of port-knocking-doors "
        f"(default: ~/{SEED_NAME}, or else {SEED_FILE})",
    )
    addLengthOption(command)
    _addDoorOptions(command)
    _addClientOptions(command)
    # No default length, to see whether one was given.
    command.set_defaults(run=_init, parser=command, length=None)


def _addClientOptions(command: Parser) -> None:
    """Add the options about the client's part."""
    addFormatOption(command, "toml", unfit=NEEDS_PROFILE)
    addFileOption(
        command,
        "-o",
        "--client-output",
        help="a new file for the client's part (default: standard output)",
    )
    addFileOption(
        command,
        "--client-file",
        help="write the client as one file, which needs only Python, and nothing else: no "
        "configuration, no profile",
    )
    command.add_argument(
        "--qr",
        action="store_true",
        help="also show the client's part as a QR code, for `pkdoors import`",
    )


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
    addFileOption(
        command,
        "--sealed",
        nargs="?",
        const=KEYS_FILE,
        help="accept only knocks that are sealed with one of the SSH keys in FILE "
        f"(default: {KEYS_FILE})",
    )
    add(
        "--address",
        metavar="HOST",
        type=asType(checkHost),
        help="the name or address by which clients reach this host "
        "(default: its full name, or else its first address)",
    )


def _init(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.host.names import getPublicName, getShortName

    if options.client_file:
        return _writeClient(options)
    if options.format == NEEDS_PROFILE:
        options.parser.error(
            f"{NEEDS_PROFILE} needs the profile on the client: use --format toml, and "
            "`pkdoors export` there, or --format ssh-config-bash"
        )
    try:
        door, told = (
            _convertSeed(options, environment) if options.seed else (_makeDoor(options), "")
        )
        profile = _makeProfile(door, options.address or getPublicName())
        subject = Subject(getShortName(), profile, file=options.client_output or "")
        exports = [prepareExport(options.format, subject)]
        if options.qr:
            exports.append(prepareExport(QR, subject._replace(file="")))
        isForService = _writeFiles(options.output, renderConf(door), exports[0])
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    for export in exports:
        showExport(export)
    about = _describeClient(options.format, exports[0].file)
    tellAside(told + _describeNextSteps(options.output, door, isForService, about))


def _makeProfile(door: Door, address: str) -> Profile:
    """Return a client's profile of a door."""
    isSealed = bool(door.authorizedKeys)
    waiting = (ports.first for ports in door.ports if ports.protocol == "tcp" and not door.once)
    return Profile(
        address,
        door.sequence,
        # A plain knock names no door: the client refuses a door's name in its profile.
        door=door.name if isSealed else None,
        isSealed=isSealed,
        wait=next(waiting, None),
        isOnce=door.once,
        hearsAny=door.hearsAny,
    )


def _writeClient(options: Namespace) -> None:
    from pkdoors.install.clientfile import writeClientFile

    parser: Parser = options.parser
    if [name for name in vars(options) if getattr(options, name) != parser.get_default(name)] != [
        "client_file"
    ]:
        parser.error("--client-file only writes the client: use it without other options")
    try:
        writeClientFile(options.client_file)
    except PkdoorsError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    tell(
        f"wrote the client to {options.client_file}: on the other machine, run "
        f"`python3 {os.path.basename(options.client_file)} knock HOST`"
    )


def _writeFiles(file: str, conf: str, export: Export) -> bool:
    """
    Write the configuration, and the client's part if it has a file: both or none.

    @return: whether the service may read the configuration.
    """
    from pkdoors.config.file import writeConf

    writeFile(export)
    try:
        return writeConf(file, conf)
    except PkdoorsError:
        if export.file:
            os.unlink(export.file)
        raise


def _makeDoor(options: Namespace) -> Door:
    from pkdoors.commands.sequence import isFree

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


def _describeClient(form: str, file: str) -> str:
    """Return what to do with the client's part."""
    if file:
        return f"Take {file} to the client"
    if form == "toml":
        return "Put the lines above into ~/.config/pkdoors/hosts.toml on the client (chmod 600)"
    return f"The lines above are the client's part ({form})"


def _describeNextSteps(file: str, door: Door, isForService: bool, client: str) -> str:
    here = quote(str(Path(sys.executable).parent))
    conf = "" if file == CONF_FILE else f" --conf {quote(file)}"
    daemon = f"{here}/twistd -n --pidfile= pkdoors{conf}"
    if isForService and not conf:
        daemon = "systemctl enable --now pkdoors"
    from pkdoors.host.serviceuser import NAME

    readers = f"Only root and the service (user {NAME}) may read the file.\n"
    keys = (
        f"Put the clients' public SSH keys into {', '.join(door.authorizedKeys)}.\n"
        "The daemon refuses sealed knocks for a minute after its first start.\n"
    )
    return (
        f"\nWrote {file}. {client}: it is just as secret.\n"
        f"{readers if isForService else ''}"
        f"{keys if door.authorizedKeys else ''}"
        f"Check the configuration:  {here}/pkdoors check{conf}\n"
        f"Then start the daemon:    {daemon}\n"
    )
