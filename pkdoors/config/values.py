"""
The values of settings: how options and files write them, and what they mean. Pure.

The text of an option is parsed as it is. What a key of a file holds is first made into that text,
so both follow the same rules.
"""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeVar

from pkdoors.config.config import FIREWALLS, LISTENING
from pkdoors.errors import BadValue
from pkdoors.model.knockports import KnockPort
from pkdoors.model.ports import NO_PORTS, PortRange
from pkdoors.model.sources import WHOLE
from pkdoors.model.trusted import Trusted
from pkdoors.util.durations import formatDuration
from pkdoors.util.quoting import findNear, shown
from pkdoors.util.toml import quoteString

MAX_SOCKET_PATH = 107
"""Bytes in the path of a UNIX socket; C{unix(7)}."""

MAX_PATHS = 16
"""Files and folders of one door's keys. Each is looked at for each knock."""

MOST_OF_DOOR = 65_536
"""Openings of one door: as many as a set of the guard has room for."""
MOST_OPENINGS = 262_144
"""Openings of all doors; 300 MB."""

FEWEST, MOST_DATAGRAMS = 100, 1_000_000
"""Datagrams of one source: a sealed knock on 20 ports, sent three times, has 60."""

_PORTS_EXAMPLE = '[22, "51820/udp", "6000-6010/tcp"]'
WIDEST_GRANT = {4: 16, 6: 48}
"""The shortest lengths of networks for one knock: an IPv6 /48 is one customer's site; behind larger
ones are strangers in any number. An operator can open larger ones."""

T = TypeVar("T")
V = TypeVar("V")


def parseAt(where: str, parse: Callable[[V], T], value: V) -> T:
    """
    Return what a parser makes of a value.

    @param where: the option, variable or key that held the value.
    @raise BadValue: the value is not allowed; the message begins with the place.
    """
    try:
        return parse(value)
    except BadValue as error:
        raise error.at(where) from error


def allowKeys(table: Iterable[str], keys: Iterable[str], where: str) -> None:
    """
    Check that a table of a file has only these keys.

    @raise BadValue: it has another one; the message begins with the place.
    """
    for key in table:
        if key not in keys:
            near = findNear(key, keys)
            hint = f" (did you mean {near}?)" if near else ""
            raise BadValue(f"{where}unknown key {shown(key)}{hint}: allowed are {', '.join(keys)}")


def parseFirewall(text: str) -> str:
    """Read the name of a firewall."""
    if text not in FIREWALLS:
        raise BadValue(f"{shown(text)} is not a firewall: choose one of {', '.join(FIREWALLS)}")
    return text


def parseListening(text: str) -> str:
    """Read the name of a way to hear knocks."""
    if text not in LISTENING:
        raise BadValue(
            f"{shown(text)} is not a way to listen: choose one of {', '.join(LISTENING)}"
        )
    return text


def parseGrant(text: str, version: int) -> int:
    """
    Read the length of a network that one knock opens for.

    @param version: of IP, 4 or 6.
    """
    given = int(text) if re.fullmatch("[0-9]{1,3}", text) else -1
    least, most = WIDEST_GRANT[version], WHOLE[version]
    if not least <= given <= most:
        raise BadValue(
            f"{shown(text)} is not a length of IPv{version} networks that a knock may open for: "
            f"use {least} to {most}; {most} is the sender's address alone"
        )
    return given


def parseDatagrams(text: str, orNone: bool) -> int:
    """
    Read a number of datagrams.

    @param orNone: whether 0 is allowed.
    """
    given = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
    if not FEWEST <= given <= MOST_DATAGRAMS and not (orNone and given == 0):
        unlimited = ", or 0 for no limit" if orNone else ""
        raise BadValue(
            f"{shown(text)} is not a valid number of datagrams: use {FEWEST} to "
            f"{MOST_DATAGRAMS}{unlimited}"
        )
    return given


def parseOpenings(text: str, most: int) -> int:
    """
    Read a number of openings.

    @param most: the largest one that is allowed.
    """
    given = int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
    if not 1 <= given <= most:
        raise BadValue(f"{shown(text)} is not a valid number of openings: use 1 to {most}")
    return given


def parseInterface(text: str) -> str:
    """Read a local address to listen on."""
    try:
        ip_address(text)
    except ValueError:
        raise BadValue(
            f"{shown(text)} is not an address: use a local IPv4 or IPv6 address, like 192.0.2.1"
        ) from None
    return text


def parseInterfaces(texts: Iterable[str]) -> tuple[str, ...]:
    """Read local addresses to listen on; an address that is given twice counts once."""
    return tuple(dict.fromkeys(map(parseInterface, texts)))


def parsePath(text: str) -> str:
    """Read the path of a file."""
    if not text:
        raise BadValue("the path is empty: give the path of a file")
    return text


def parsePaths(given: str | Iterable[str]) -> tuple[str, ...]:
    """Read the path of a file, or several; a path that is given twice counts once."""
    paths = [given] if isinstance(given, str) else [*given]
    if len(paths) > MAX_PATHS:
        raise BadValue(f"it has {len(paths)} paths, {MAX_PATHS} are allowed: use a folder of files")
    return tuple(dict.fromkeys(map(parsePath, paths)))


def parseAdmin(text: str) -> str:
    """Read the path of the admin socket; the result is empty if there is to be none."""
    if text == "off":
        return ""
    if not _isAbsolute(text) or len(text.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise BadValue(
            f"{shown(text)} is not a path for the admin socket: use an absolute path of at most "
            f"{MAX_SOCKET_PATH} bytes, or off"
        )
    return text


def _isAbsolute(text: str) -> bool:
    return text.startswith("/") and "\0" not in text  # TOML can have that, the kernel cannot


def readString(value: object) -> str:
    """Return a key's value that must be a string."""
    if not isinstance(value, str):
        raise BadValue(f"{shown(value)} is not a string: write it in quotes")
    return value


def _readTime(value: object) -> str:
    if isinstance(value, str):
        return value
    if type(value) is not int:
        raise BadValue(
            f'{shown(value)} is not a time: write it like "45s", "10m", "8h", "7d" or "1h30m"'
        )
    return str(value)


def _readNumber(value: object) -> str:
    if type(value) is not int:
        raise BadValue(f"{shown(value)} is not a number: write it like 10000")
    return str(value)


def _readPorts(example: str, kinds: tuple[type, ...], value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or {*map(type, value)} - {*kinds}:
        raise BadValue(f"{shown(value)} is not a list of ports: write {example}")
    return ",".join(map(str, value))


def _readDoorPorts(value: object) -> str:
    return NO_PORTS if value == [] else _readPorts(_PORTS_EXAMPLE, (int, str), value)


def _readAddresses(value: object) -> list[str]:
    if not isinstance(value, list):
        raise BadValue(f'{shown(value)} is not a list of addresses: write ["192.0.2.1", "::1"]')
    return [readString(item) for item in value]


def _readTrusted(value: object) -> str:
    if not isinstance(value, list):
        raise BadValue(
            f"{shown(value)} is not a list of networks and interfaces: "
            'write ["192.168.1.0/24", "fd00::/8", "wg0"]'
        )
    items = list(map(readString, value))
    if any("," in item or not item for item in items):
        raise BadValue("an item is empty or has a comma: write each as a string of its own")
    return ",".join(items)


def _writeTrusted(trusted: Iterable[Trusted]) -> str:
    return json.dumps([str(source) for source in trusted])


def _readPath(value: object) -> str:
    text = readString(value)
    if not _isAbsolute(text):
        raise BadValue(f'{shown(text)} is not an absolute path: begin it with /, like "/etc/keys"')
    return text


def _readPaths(value: object) -> list[str]:
    if not isinstance(value, list):
        return [_readPath(value)]
    if not value:
        raise BadValue("the list is empty: give the path of a file, or remove the key")
    return [_readPath(item) for item in value]


def _writePaths(paths: Iterable[str]) -> str:
    written = [*map(quoteString, paths)]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _readCommand(value: object) -> list[str]:
    command = value if isinstance(value, list) else []
    isFit = {*map(type, command)} == {str} and command[0].startswith("/")
    if not isFit or any("\0" in word for word in command):
        raise BadValue(
            f"{shown(value)} is not a command: write a list of the program's absolute path and its "
            'arguments, like ["/usr/local/bin/tell", "door open"]; no shell reads it'
        )
    return command


def _writePorts(ports: Iterable[PortRange]) -> str:
    # /tcp is what a port means anyway.
    texts = [quoteString(str(item).removesuffix("/tcp")) for item in ports]
    return f"[{', '.join(texts)}]"


def _writeKnockPort(port: KnockPort) -> str:
    return str(port) if isinstance(port, int) else quoteString(str(port))


class Kind(NamedTuple):
    """
    How a file holds a value.

    @ivar read: makes the text of an option of the key's value.
    @ivar write: makes TOML of what the setting means.
    @ivar metavar: what C{--help} calls the value of an option.
    """

    read: Callable[[object], Any]
    write: Callable[[Any], str]
    metavar: str = "NAME"


STRING = Kind(readString, quoteString)
PATH = Kind(_readPath, quoteString, "FILE")
PATHS = Kind(_readPaths, _writePaths, "FILE")
ADMIN = Kind(readString, lambda path: quoteString(path or "off"), "PATH")
TIME = Kind(_readTime, lambda seconds: quoteString(formatDuration(seconds)), "TIME")
NUMBER = Kind(_readNumber, str, "N")
ADDRESSES = Kind(_readAddresses, lambda addresses: json.dumps([*addresses]), "ADDRESS")
TRUSTED = Kind(_readTrusted, _writeTrusted, "LIST")
COMMAND = Kind(_readCommand, lambda command: json.dumps([*command], ensure_ascii=False))
SEQUENCE = Kind(
    partial(_readPorts, '[17001, "17203/tcp", ...], 5 to 20 ports', (int, str)),
    lambda sequence: f"[{', '.join(map(_writeKnockPort, sequence.ports))}]",
    "PORTS",
)
PORTS = Kind(_readDoorPorts, _writePorts, "PORTS")
