"""C{pkdoors init} on the command line."""

import os
import re
from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import PurePath
from shlex import quote

from pkdoors.commands._program import showProgram
from pkdoors.commands.exporting.output import Export, showExport, writeFile
from pkdoors.commands.parser import Parser, addFileOption, addLengthOption
from pkdoors.commands.setup._clients import describeClient
from pkdoors.commands.setup._doors import KEYS_NAME, Host, Plan, makeDoor
from pkdoors.commands.setup._foreign import convertForeign, convertSeed, readForeign
from pkdoors.commands.setup._initoptions import (
    NEEDS_PROFILE,
    addClientOptions,
    addDoorOptions,
    addForeignOptions,
    addLockOptions,
)
from pkdoors.commands.setup._profiles import makeExports, makeSubjects
from pkdoors.commands.setup._steps import Setting, describeSteps, warnOfAddress
from pkdoors.config.config import CONF_FILE
from pkdoors.config.template import renderConf
from pkdoors.errors import PkdoorsError
from pkdoors.util.output import tell, tellAside

SSH_DOORS = ("ssh", "openssh", "default")
"""Names of doors behind which ssh is, as far as one can guess."""


def addInitCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        "Without options the door is for ssh, and opens to the SSH keys that can already log in as "
        "you: their knocks are sealed, so nobody else can open it."
    )
    addFileOption(
        command,
        "--output",
        "-c",  # this and the next are the option's names in all other commands
        "--conf",
        default=CONF_FILE,
        help="the file to write, which must not exist yet (default: %(default)s)",
    )
    addLockOptions(command)
    addForeignOptions(command)
    addLengthOption(command)
    addDoorOptions(command)
    addClientOptions(command)
    # No default length, to see whether one was given.
    command.epilog = "Example: sudo pkdoors init"
    command.set_defaults(run=_init, parser=command, length=None)


def _init(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.host.names import getPublicName, mayChange

    if options.client_file:
        return _writeClient(options)
    _checkUsage(options)
    try:
        plan = _makePlan(options, environment)
        address = options.address or getPublicName()
        exports = makeExports(options, plan.doors, address)
        isForService = _writeFiles(options.output, plan, exports[0])
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    wait = _beginNotes(options, plan)
    for export in exports:
        showExport(export)
    wrote = f"Wrote {options.output}.{_describeReaders(isForService)}\n"
    warning = warnOfAddress(address, not options.address and mayChange(address))
    about = [plan.report, plan.keys.report if plan.keys else "", wrote, warning]
    setting = _findSetting(options, environment, plan, exports[0].file, address, wait)
    tellAside("\n" + "\n".join([*filter(None, about), describeSteps(plan, setting)]))


def _checkUsage(options: Namespace) -> None:
    """Refuse options that do not fit together."""
    error = options.parser.error
    if options.format == NEEDS_PROFILE:
        error(
            f"{NEEDS_PROFILE} needs the profile on the client: use --format toml, and "
            "`pkdoors export` there, or --format ssh-config-bash"
        )
    if options.sealed and (options.plain or options.tcp):
        name = "--plain" if options.plain else "--tcp"
        reason = "" if options.plain else ": a sealed knock is a datagram"
        error(f"use {name} or --sealed, not both{reason}")
    if sum(map(bool, (options.seed, options.knockd, options.fwknop))) > 1:
        error("use only one of --seed, --knockd and --fwknop")
    if options.user and (options.plain or options.tcp or options.sealed or options.seed):
        error("--user is about the keys that are copied: use it without other locks")


def _makePlan(options: Namespace, environment: Mapping[str, str]) -> Plan:
    keys: tuple[str, ...] = (options.sealed,) if options.sealed else ()
    if options.seed:
        return convertSeed(options, environment, keys)
    found = readForeign(options) if options.knockd or options.fwknop else None
    host = Host(options, environment)
    copied = None
    if not (keys or options.plain or options.tcp):
        copied = host.copyKeys(str(PurePath(options.output).with_name(KEYS_NAME)))
        keys = (copied.path,)
    if found is None:
        return Plan((makeDoor(options, host, keys),), copied)
    return convertForeign(options, found, host, keys)._replace(keys=copied)


def _writeFiles(file: str, plan: Plan, export: Export) -> bool:
    """
    Write the configuration, the keys, and the client's part if it has a file: all or none.

    @return: whether the service may read the configuration.
    """
    from pkdoors.config.file import writeConf

    with ExitStack() as undoing:

        def undo(path: str) -> None:
            with suppress(OSError):
                os.unlink(path)

        writeFile(export)
        if export.file:
            undoing.callback(undo, export.file)
        isForService = writeConf(file, renderConf(*plan.doors))
        undoing.callback(undo, file)
        if plan.keys and plan.keys.text:
            writeConf(plan.keys.path, plan.keys.text)
        undoing.pop_all()
    return isForService


def _beginNotes(options: Namespace, plan: Plan) -> float:
    """
    Spare the first daemon of this host the time in which it would refuse sealed knocks, if that can
    be done. Return what is left of that time, in seconds.
    """
    from pkdoors.daemon.notes.replaycare import beginNotes

    wait = max((door.clockSkew for door in plan.doors if door.authorizedKeys), default=0.0)
    hasNewSequences = not options.seed and options.output == CONF_FILE
    return 0.0 if wait and hasNewSequences and beginNotes(options.output) else wait


def _describeReaders(isForService: bool) -> str:
    from pkdoors.host.serviceuser import NAME

    return f" Only root and the service (user {NAME}) may read it." if isForService else ""


def _findSetting(
    options: Namespace,
    environment: Mapping[str, str],
    plan: Plan,
    file: str,
    address: str,
    wait: float,
) -> Setting:
    from pkdoors.host.systemd import isInstalled, isRunning

    conf = "" if options.output == CONF_FILE else f" --conf {quote(options.output)}"
    program, name = showProgram(environment), makeSubjects("", plan.doors, address)[0].name
    return Setting(
        program=program,
        conf=conf,
        client=describeClient(options.format, file, program, name),
        login=_findLogin(plan, environment, address),
        isForService=isRunning(),
        isInstalled=isInstalled(),
        wait=wait,
    )


def _findLogin(plan: Plan, environment: Mapping[str, str], address: str) -> str:
    """Return what to give to ssh if the first door is for ssh; empty if it is not."""
    door = plan.doors[0]
    if door.name not in SSH_DOORS or not door.ports:
        return ""
    port = door.ports[0].first
    user = environment.get("SUDO_USER", "")
    login = f"{user}@{address}" if re.fullmatch("[A-Za-z0-9_.-]+", user) else address
    return login if port == 22 else f"-p {port} {login}"


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
