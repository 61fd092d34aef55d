"""
The configuration file's text, as a L{Config}. Pure.

::

    firewall = "auto"

    [doors.ssh]
    sequence = [17001, 17203, 17005, 17404, 17002]
    ports = ["22"]

L{DAEMON_SETTINGS} and L{DOOR_SETTINGS} have all keys. L{pkdoors.config.foreign.seed} reads a file
that has the flat keys of port-knocking-doors instead.
"""

from collections.abc import Collection, Mapping
from shlex import quote
from typing import Any

from pkdoors.config._setting import listKeys, readSettings
from pkdoors.config.config import Config
from pkdoors.config.foreign.detecting import suggestReader
from pkdoors.config.foreign.seed import describeKeys, describeSeed, isSeed, readSeedDoor
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.config.values import allowKeys, parseAt
from pkdoors.errors import BadValue, ConfigError
from pkdoors.locks.openers import findOpeners
from pkdoors.model.doors import Door
from pkdoors.model.names import checkName
from pkdoors.model.sharing import findClosedKnockPorts, findMixedSessions
from pkdoors.util.quoting import shown
from pkdoors.util.toml import readToml

Table = Mapping[str, Any]

_PLACES = {
    "openFor": ("open_for", "max_open_for"),
    "ports": ("ports",),
    "once": ("uses",),
    "hearsAny": ("payload",),
    "listens": ("listen",),
}
"""The keys to blame if the fields of a door do not fit together."""

_KEYS = (*listKeys(DAEMON_SETTINGS), "doors")


def parseConfig(text: str, file: str) -> Config:
    """
    Read a configuration, of pkdoors or of port-knocking-doors.

    @param file: the file that holds the text, for errors.
    @raise ConfigError: the text is not a configuration. Nothing else is raised, whatever the text.
    """
    table = _parseTable(text, file)
    try:
        return _readConfig(table, file)
    except BadValue as error:
        raise ConfigError(f"{file}: {error}") from error


def parseSeed(text: str, file: str) -> tuple[Door, list[str]]:
    """
    Read a configuration of port-knocking-doors.

    @param file: the file that holds the text, for errors.
    @return: the door, and a line for each key of the file that says what replaced it.
    @raise ConfigError: the text is not such a configuration. Nothing else is raised, whatever the
        text.
    """
    table = _parseTable(text, file)
    if not isSeed(table):
        raise ConfigError(
            f"{file} is not a configuration of port-knocking-doors, which has keys like "
            "opening_sequence: use --seed FILE to name that configuration"
        )
    (door,) = parseConfig(text, file).doors
    return door, describeKeys(table)


def _parseTable(text: str, file: str) -> Table:
    try:
        return readToml(text)
    except BadValue as error:
        program, option = suggestReader(text)
        if program:
            raise ConfigError(
                f"{file} is a configuration of {program}: `pkdoors init {option} {quote(file)}` "
                "makes one of pkdoors"
            ) from error
        raise ConfigError(f"{file} is not valid TOML, the format of this file: {error}") from error


def _readConfig(table: Table, file: str) -> Config:
    if isSeed(table):
        return Config((readSeedDoor(table, _KEYS),), notes=(describeSeed(table, file),))
    _findMisplaced(table, _KEYS, listKeys(DOOR_SETTINGS), "", "a door: put it below [doors.NAME]")
    allowKeys(table, _KEYS, "")
    doors = tuple(_readDoor(*item) for item in _findDoors(table).items())
    _checkSharing(doors)
    return Config(doors, **readSettings(DAEMON_SETTINGS, table, ""))


def checkDoors(config: Config) -> Config:
    """
    Return a configuration whose doors have an order of knocks, and whose knocks can be heard.

    @raise BadValue: a plain sequence repeats one port; or a door has knocks over TCP, and only
        sockets are to hear them.
    """
    for door in config.doors:
        if not door.authorizedKeys and len(set(door.sequence.ports)) == 1:
            raise BadValue(
                f"door {door.name}: its sequence repeats one port, so it has no order to guess: "
                "use different ports (`pkdoors sequence` prints a sequence)"
            )
    names = [door.name for door in config.doors if door.sequence.tcpPorts()]
    if names and config.listen == "sockets":
        raise BadValue(
            f"door {names[0]}: sockets cannot hear its knocks over TCP: set listen to "
            '"auto" or "capture" (--listen auto), or use UDP ports only'
        )
    if names and config.firewall == "dry-run":
        raise BadValue(
            f"door {names[0]}: its knocks over TCP cannot be heard in a dry run, which has no "
            "rules: use UDP ports only, or another firewall"
        )
    return config


def _findMisplaced(
    table: Table, keys: Collection[str], others: Collection[str], where: str, place: str
) -> None:
    for key in table:
        if key in others and key not in keys:
            raise BadValue(f"{where}{key} is a key of {place}")


def _findDoors(table: Table) -> Table:
    tables = table.get("doors")
    if not isinstance(tables, dict) or not tables:
        raise BadValue("doors: the file has no door: add [doors.ssh] with a sequence and ports")
    return tables


def _readDoor(name: str, table: object) -> Door:
    where = f"doors.{parseAt('doors', checkName, name)}"
    if not isinstance(table, dict):
        raise BadValue(
            f"{where}: {shown(table)} is not a table: write [{where}], and its keys below"
        )
    allowed, above = listKeys(DOOR_SETTINGS), "the daemon: put it above the first [doors.NAME]"
    _findMisplaced(table, allowed, _KEYS, f"{where}: ", above)
    allowKeys(table, allowed, f"{where}: ")
    for key in ("sequence", "ports"):
        if key not in table:
            raise BadValue(f"{where}.{key} is missing: every door needs a sequence and ports")
    fields = readSettings(DOOR_SETTINGS, table, f"{where}.")
    try:
        door = Door(name, **fields)
        door.checkPurpose()
    except BadValue as error:
        keys = _PLACES.get(error.field, (error.field,))
        raise error.at(", ".join(f"{where}.{key}" for key in keys)) from error
    return door


def _checkSharing(doors: Collection[Door]) -> None:
    for door, other in findOpeners(door for door in doors if not door.authorizedKeys):
        raise BadValue(
            f"doors.{door.name}.sequence: knocking it also opens doors.{other.name}: use "
            "another sequence for each door (`pkdoors sequence` prints a new one)"
        )
    for door, other in findClosedKnockPorts(doors):
        raise BadValue(
            f"doors.{other.name}.ports: one of them is a knock port of doors.{door.name}, "
            "which must stay open: use another knock port there, or do not protect this one"
        )
    for door, other, shared in findMixedSessions(doors):
        raise BadValue(
            f"doors.{other.name}.sessions: doors.{door.name} protects {shared}, too, but "
            "has another policy: use keep for both, or cut for both"
        )
