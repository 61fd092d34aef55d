"""
The configuration file's text, as a L{Config}. Pure.

::

    firewall = "auto"

    [doors.ssh]
    sequence = [17001, 17203, 17005, 17404, 17002]
    ports = ["22"]

L{DOOR_SETTINGS} has the other keys of a door. A file that has the flat keys of port-knocking-doors
instead is L{pkdoors.config._seed}'s.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, permutations
from typing import Any

from pkdoors.config._seed import fates, isSeed, seedDoor, seedNote
from pkdoors.config.config import Config
from pkdoors.config.settings import (
    DOOR_SETTINGS,
    allowKeys,
    asPath,
    asText,
    parseAdmin,
    parseAt,
    parseFirewall,
    parseInterface,
)
from pkdoors.errors import BadValue, ConfigError
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Request, SequenceLock
from pkdoors.locks.lockset import Lockset
from pkdoors.model.doors import Door, checkName
from pkdoors.model.ports import PortRange
from pkdoors.util.quoting import shown
from pkdoors.util.toml import readToml

Table = Mapping[str, Any]


def parseConfig(text: str, file: str) -> Config:
    """
    Read a configuration, pkdoors' own or that of port-knocking-doors.

    @param file: where the text is from, for errors.
    @raise ConfigError: it is none. Nothing else is raised, whatever the text.
    """
    table = _parseTable(text, file)
    try:
        return _config(table, file)
    except BadValue as error:
        raise ConfigError(f"{file}: {error}") from error


def parseSeed(text: str, file: str) -> tuple[Door, list[str]]:
    """
    Read a configuration of port-knocking-doors.

    @param file: where the text is from, for errors.
    @return: the door, and a line for each key of the file: what became of it.
    @raise ConfigError: it is none. Nothing else is raised, whatever the text.
    """
    table = _parseTable(text, file)
    if not isSeed(table):
        raise ConfigError(
            f"{file} is no file of port-knocking-doors, which has keys like opening_sequence: "
            "say with --seed FILE where that is"
        )
    (door,) = parseConfig(text, file).doors
    return door, fates(table)


def _parseTable(text: str, file: str) -> Table:
    try:
        return readToml(text)
    except BadValue as error:
        raise ConfigError(f"{file} is not TOML, the language of this file: {error}") from error


def _config(table: Table, file: str) -> Config:
    readers: dict[str, Callable[[object], Any]] = {
        "firewall": _firewall,
        "zone": asText,
        "interfaces": _interfaces,
        "admin": lambda value: parseAdmin(asText(value)),
        "audit": asPath,
    }
    keys = (*readers, "doors")
    if isSeed(table):
        return Config((seedDoor(table, keys),), notes=(seedNote(table, file),))
    allowKeys(table, keys, "")
    doors = tuple(_door(*item) for item in _doorTables(table).items())
    _checkSharing(doors)
    found = {key: parseAt(key, readers[key], table[key]) for key in readers if key in table}
    return Config(doors, **found)


def _firewall(value: object) -> str:
    return parseFirewall(asText(value))


def _interfaces(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadValue(f'{shown(value)} is not a list of addresses: write ["192.0.2.1", "::1"]')
    return tuple(dict.fromkeys(parseInterface(asText(each)) for each in value))


def _doorTables(table: Table) -> Table:
    tables = table.get("doors")
    if not isinstance(tables, dict) or not tables:
        raise BadValue("doors: there is none: write [doors.ssh], and below it sequence and ports")
    return tables


def _door(name: str, table: object) -> Door:
    where = f"doors.{parseAt('doors', checkName, name)}"
    if not isinstance(table, dict):
        raise BadValue(f"{where}: {shown(table)} is no door: write [{where}], and its keys below")
    allowKeys(table, [each.key for each in DOOR_SETTINGS], f"{where}: ")
    for key in ("sequence", "ports"):
        if key not in table:
            raise BadValue(f"{where}.{key} is missing: every door has a sequence and ports")
    fields: dict[str, Any] = {
        each.field: parseAt(f"{where}.{each.key}", each.read, table[each.key])
        for each in DOOR_SETTINGS
        if each.key in table
    }
    try:
        return Door(name, **fields)
    except BadValue as error:
        keys = {"openFor": ("open_for", "max_open_for"), "ports": ("ports",)}[error.field]
        raise error.at(", ".join(f"{where}.{key}" for key in keys)) from error


def _checkSharing(doors: Iterable[Door]) -> None:
    for door, other in permutations(doors, 2):
        if not door.authorizedKeys and not other.authorizedKeys and _opens(door, other):
            raise BadValue(
                f"doors.{door.name}.sequence: who knocks it opens doors.{other.name}, too: give "
                "each door a sequence of its own (`pkdoors sequence` makes one)"
            )
        _checkKnockPorts(door, other)
    for door, other in combinations(doors, 2):
        shared = [port for port in door.ports if any(map(port.overlaps, other.ports))]
        if shared and door.cutSessions != other.cutSessions:
            raise BadValue(
                f"doors.{other.name}.sessions: doors.{door.name} protects {shared[0]}, too, and "
                "has another policy: give both keep, or both cut"
            )


def _checkKnockPorts(door: Door, other: Door) -> None:
    """See that the second door does not close a knock port of the first one."""
    for port in door.sequence.ports:
        if any(map(PortRange("udp", port, port).overlaps, other.ports)):
            raise BadValue(
                f"doors.{other.name}.ports: they have one of the knock ports of "
                f"doors.{door.name}, which must stay open: take another knock port there, or do "
                "not protect it"
            )


def _opens(door: Door, other: Door) -> bool:
    """Whether the sequence of a door opens another one: as the daemon's own locks hear it."""
    if not set(other.sequence.ports) <= set(door.sequence.ports):
        return False
    locks = Lockset([SequenceLock(door), SequenceLock(other)])
    heard = [locks.hear(Knock("", port, b"knock\n"), 0.0, 0.0) for port in door.sequence.ports]
    requests = [each for results in heard for each in results if isinstance(each, Request)]
    return other in [each.door for each in requests]
