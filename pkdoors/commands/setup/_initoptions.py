"""The options of C{pkdoors init}."""

import re

from pkdoors.commands.exporting.output import addFormatOption
from pkdoors.commands.parser import Parser, addFileOption, asType
from pkdoors.config.config import KEYS_FILE, SEED_FILE, SEED_NAME
from pkdoors.errors import BadValue
from pkdoors.model.names import checkHost, checkName
from pkdoors.model.ports import parsePortRanges
from pkdoors.util.quoting import shown

NEEDS_PROFILE = "ssh-config"
"""A format that is of no use alone: the client needs the profile, too."""


def addLockOptions(command: Parser) -> None:
    """Add the options about what opens the door."""
    add = command.add_argument
    add(
        "--plain",
        action="store_true",
        help="make a door that the sequence alone opens, without a key: whoever can read the "
        "network can repeat such a knock",
    )
    addFileOption(
        command,
        "--sealed",
        nargs="?",
        const=KEYS_FILE,
        help="accept only knocks that are sealed with one of the SSH keys in FILE, and copy no "
        f"keys (default: {KEYS_FILE})",
    )
    add(
        "--user",
        metavar="NAME",
        type=asType(_checkUser),
        help="copy the keys that can log in as this user (default: you, also with sudo)",
    )


def addForeignOptions(command: Parser) -> None:
    """Add the options about configurations of other programs."""
    addFileOption(
        command,
        "--seed",
        nargs="?",
        const=True,
        help="take sequence, ports and times from the configuration of port-knocking-doors "
        f"(default: ~/{SEED_NAME}, or else {SEED_FILE})",
    )
    addFileOption(
        command,
        "--knockd",
        help="make doors like those in this configuration of knockd, with new sequences, and say "
        "what became of each of its keys",
    )
    addFileOption(
        command,
        "--fwknop",
        nargs="+",
        help="the same for fwknop's access.conf; fwknopd.conf can follow",
    )


def addDoorOptions(command: Parser) -> None:
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
        help="the ports to protect: 22,80,51820/udp,6000-6010/tcp (default: where sshd listens)",
    )
    add(
        "--host",
        "--address",
        dest="address",
        metavar="HOST",
        type=asType(checkHost),
        help="the name or address by which clients reach this host "
        "(default: its full name, or else its first address)",
    )


def addClientOptions(command: Parser) -> None:
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


def _checkUser(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*\$?", text):
        raise BadValue(f"{shown(text)} is not the name of a user")
    return text
