"""C{pkdoors init} on the command line."""

import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from io import StringIO
from os.path import abspath
from pathlib import Path
from shlex import quote
from typing import Any

from pkdoors.clitools import checked, lengthOption
from pkdoors.config import CONF_FILE, KEYS_FILE
from pkdoors.conftext import confText, profileText
from pkdoors.doors import Door, checkName
from pkdoors.errors import BadValue, PkdoorsError
from pkdoors.ports import PortRange, parsePortRanges
from pkdoors.sequence import Sequence
from pkdoors.serviceuser import NAME as SERVICE_USER


def initCommand(commands: Any) -> None:
    """Add it to the commands."""
    about = "make a configuration for the daemon, with a random sequence, and the client's part"
    command = commands.add_parser("init", help=about, description=about.capitalize() + ".")
    add = command.add_argument
    add(
        "--output",
        metavar="FILE",
        default=CONF_FILE,
        type=checked(_path),
        help="the file to write, which must not be there yet (default: %(default)s)",
    )
    lengthOption(command)
    add(
        "--door",
        metavar="NAME",
        default="ssh",
        type=checked(checkName),
        help="the door's name (default: %(default)s)",
    )
    add(
        "-p",
        "--ports",
        metavar="PORTS",
        default="22",
        type=checked(parsePortRanges),
        help="the ports to protect: 22,80,51820/udp,6000-6010/tcp (default: %(default)s)",
    )
    add(
        "--sealed",
        metavar="FILE",
        nargs="?",
        const=KEYS_FILE,
        type=checked(_path),
        help=f"take only knocks that are sealed with one of the SSH keys in FILE ({KEYS_FILE})",
    )
    add(
        "--address",
        metavar="HOST",
        type=checked(_address),
        help="how clients reach this host (default: its full name, else its first address)",
    )
    add("--qr", action="store_true", help="show the client's profile as a QR code, too")
    command.set_defaults(run=_init, parser=command)


def _init(options: Namespace, environment: Mapping[str, str]) -> None:
    from pkdoors.conffile import writeConf
    from pkdoors.thishost import publicName, shortName

    try:
        door = _door(options)
        profile = profileText(shortName(), options.address or publicName(), door)
        isForService = writeConf(options.output, confText(door))
    except PkdoorsError as error:
        options.parser.exit(1, f"{options.parser.prog}: {error}\n")
    print(profile, end="", flush=True)
    if options.qr:
        _showQRCode(profile)
    print(_nextSteps(options.output, door, isForService), end="", file=sys.stderr)


def _door(options: Namespace) -> Door:
    from pkdoors.listener import isFree

    def isFit(port: int) -> bool:
        knock = PortRange("udp", port, port)
        return not any(map(knock.overlaps, options.ports)) and isFree(port)

    sequence = Sequence.random(options.length, isFit)
    return Door(options.door, sequence, options.ports, authorizedKeys=options.sealed or "")


def _showQRCode(text: str) -> None:
    import segno

    drawn = StringIO()
    segno.make(text).terminal(drawn, compact=True)
    try:
        print(drawn.getvalue())
    except UnicodeEncodeError:
        print("(no QR code: this terminal cannot show it, its encoding is not UTF-8)")


def _nextSteps(file: str, door: Door, isForService: bool) -> str:
    here = quote(str(Path(sys.executable).parent))
    conf = "" if file == CONF_FILE else f" --conf {quote(file)}"
    daemon = f"{here}/twistd -n --pidfile= pkdoors{conf}"
    if isForService and not conf:
        daemon = "systemctl enable --now pkdoors"
    readers = f"The service (user {SERVICE_USER}) may read it, nobody else but root.\n"
    keys = f"Put the clients' public SSH keys into {door.authorizedKeys}.\n"
    return (
        f"\nWrote {file}. The lines above are for ~/.config/pkdoors/hosts.toml of the client "
        "(chmod 600): they are as secret.\n"
        f"{readers if isForService else ''}"
        f"{keys if door.authorizedKeys else ''}"
        f"See whether all is well:  {here}/pkdoors check{conf}\n"
        f"Then run the daemon:      {daemon}\n"
    )


def _address(text: str) -> str:
    if not re.fullmatch(r"[\w:][\w.:%-]*", text):
        raise BadValue(f"{text!r} is no name or address of a host")
    return text


def _path(text: str) -> str:
    if not text or not text.isprintable():
        raise BadValue(f"{text!r} is no name for a file: give one of characters that can be shown")
    return abspath(text)
