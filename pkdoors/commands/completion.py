"""C{pkdoors completion}, and the answers to the shell each time that the user presses TAB."""

import os
import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from os import environ
from os.path import abspath
from typing import TYPE_CHECKING, Any

from pkdoors.commands.parser import Parser
from pkdoors.config.config import FIREWALLS, LISTENING
from pkdoors.errors import PkdoorsError
from pkdoors.util.output import tellText

if TYPE_CHECKING:
    from pkdoors.admin.records import StatusRecord

SHELLS = ("bash", "zsh", "fish")

STATUS_TIMEOUT = 1.0
"""Seconds to wait for the daemon's answer: a user waits with a finger on the key."""

MAX_ADDRESSES = 1000
"""Addresses that a shell offers; nobody looks for one among more."""

_VALUES = {
    "firewall": FIREWALLS,
    "listen": LISTENING,
    "payload": ("knock", "any"),
    "sessions": ("keep", "cut"),
    "uses": ("many", "once"),
}


def addCompletionCommand(command: Parser) -> None:
    """Add the options."""
    command.describe(
        'Add eval "$(pkdoors completion bash)" to ~/.bashrc, or eval "$(pkdoors completion zsh)" '
        "to ~/.zshrc after compinit. For fish, run: "
        "pkdoors completion fish > ~/.config/fish/completions/pkdoors.fish",
    )
    command.add_argument("shell", choices=SHELLS, help="which shell")
    command.epilog = 'Example: eval "$(pkdoors completion bash)"'
    command.set_defaults(run=_printScript)


def _printScript(options: Namespace, environment: Mapping[str, str]) -> None:
    from argcomplete.shell_integration import shellcode

    # bash and zsh run the program that was typed. fish would run another one, or none, if it is not
    # in PATH.
    program = _quote(abspath(sys.argv[0]))
    script = program if options.shell == "fish" else None
    # Without defaults: otherwise the shell offers files after the name of a door.
    made = shellcode(
        ["pkdoors"], use_defaults=False, shell=options.shell, argcomplete_script=script
    )
    tellText(f"{made}\n")


def _quote(path: str) -> str:
    """Quote for fish, which has two characters to escape between single quotes."""
    return "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"


def answerShell(parser: ArgumentParser) -> None:
    """Answer a shell that asks how the command line can go on, and end."""
    from argcomplete import autocomplete
    from argcomplete.completers import ChoicesCompleter

    # Most values are free text: argcomplete would offer files for them.
    nothing = ChoicesCompleter({})
    autocomplete(parser, always_complete_options=False, default_completer=nothing)


def listFiles(prefix: str, **_: Any) -> list[str]:
    """List files, and folders with a slash at the end; hidden ones only after a typed dot."""
    folder, slash, start = prefix.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(folder + slash) or ".") as found:
            return sorted(
                f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in found
                if entry.name.startswith(start)
                and (start or not entry.name.startswith("."))
                and entry.name.isprintable()
            )
    except OSError:
        return []


def listDoors(parsed_args: Namespace, **_: Any) -> list[str]:
    """List the running daemon's doors."""
    return [door.name for status in _askStatus(parsed_args, limit=0) for door in status.doors]


def listOpenAddresses(parsed_args: Namespace, **_: Any) -> list[str]:
    """
    List the addresses that a door is open for; if a door was chosen before, only its addresses.
    """
    chosen = getattr(parsed_args, "door", None)
    statuses = _askStatus(parsed_args, limit=MAX_ADDRESSES)
    openings = [opening for status in statuses for opening in status.openings]
    return sorted({opening.source for opening in openings if chosen in (None, opening.door)})


def listFleetHosts(parsed_args: Namespace, **_: Any) -> list[str]:
    """List the hosts of the fleet."""
    from pkdoors.adminclient.location import findFleetFile
    from pkdoors.config.fleetfile import readFleet

    try:
        return list(readFleet(findFleetFile(getattr(parsed_args, "conf", None))).hosts)
    except PkdoorsError:
        return []


def listMe(**_: Any) -> list[str]:
    """List the one client that has a short name."""
    from pkdoors.adminclient.clients import ME

    return [ME]


def listProfiles(**_: Any) -> list[str]:
    """List the profiles, and the groups, in C{~/.config/pkdoors/hosts.toml}."""
    from pkdoors.client.profilefile import readProfiles

    try:
        found = readProfiles(environ)
        return [name for name in (*found, *found.groups()) if name.isprintable()]
    except PkdoorsError:
        return []


def listSshHosts(prefix: str, **_: Any) -> list[str]:
    """List the hosts that C{~/.ssh/config} names, after C{USER@} if that was typed."""
    from pkdoors.files.reading import decodeText, readFile

    user, at = prefix.rpartition("@")[:2]
    try:
        text = decodeText(readFile(os.path.expanduser("~/.ssh/config")).data, "replace")
        lines = [line.split() for line in text.splitlines()]
    except (OSError, ValueError):
        return []
    names = [name for line in lines if line[:1] in (["Host"], ["host"]) for name in line[1:]]
    return [f"{user}{at}{name}" for name in names if not set(name) & set('*?!"')]


def listValues(action: Action, **_: Any) -> list[str]:
    """List the values of one of the daemon's options."""
    return list(_VALUES.get(action.dest, ()))


def _askStatus(options: Namespace, limit: int) -> "Iterator[StatusRecord]":
    """Return the daemon's status with some openings, if a daemon is running."""
    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.location import askDaemon
    from pkdoors.adminclient.responses import readRecord

    def ask(path: str) -> "StatusRecord":
        return readRecord(StatusRecord, AdminClient(path, STATUS_TIMEOUT).status(limit=limit))

    try:
        admin, conf = getattr(options, "admin", None), getattr(options, "conf", None)
        yield ask(admin) if admin else askDaemon(conf, ask)
    except PkdoorsError:
        pass
