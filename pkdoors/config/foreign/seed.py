"""
The configuration file of port-knocking-doors, the program that pkdoors follows: flat keys, one
door. Pure.

::

    ports_to_controls = [22]
    opening_sequence = [17001, 17203, 17005, 17404, 17002]
    max_opened_door_duration = 10

A key can have any value that is allowed for the key of pkdoors that replaced it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import Any

from pkdoors.config.settings import DOOR_SETTINGS
from pkdoors.config.values import TIME, allowKeys, parseAt
from pkdoors.errors import BadValue
from pkdoors.model.doors import Door
from pkdoors.util.durations import parseDuration

Table = Mapping[str, Any]

SEQUENCE, PORTS = "opening_sequence", "ports_to_controls"

_REPLACED = {
    PORTS: "ports",
    SEQUENCE: "sequence",
    "max_opened_door_duration": "open_for",
    "max_knocker_live_time": "knock_timeout",
    "ignoring_period_after_knock_error": "penalty",
}
"""The key of pkdoors that replaced each of theirs."""
_DEFAULTS = {
    PORTS: [22],
    "max_opened_door_duration": 10,
    "max_knocker_live_time": 30,
    "ignoring_period_after_knock_error": 5,
}
_UNNEEDED = {
    "firewall_rules_check_periode_seconds": "the daemon repairs the firewall's rules at once",
    "doors_cleanup_periode": "the kernel closes each door at its deadline",
}
"""Why pkdoors does without a key."""
_KEYS = (*_REPLACED, *_UNNEEDED)
_parseAnyTime = partial(parseDuration, least=0)


def isSeed(table: Table) -> bool:
    """Return whether a file has a key of port-knocking-doors."""
    return any(key in _KEYS for key in table)


def readSeedDoor(table: Table, ownKeys: Iterable[str]) -> Door:
    """
    Return the door that the file means, with the times that port-knocking-doors would use.

    @param ownKeys: the keys of pkdoors, which cannot be in the same file.
    @raise BadValue: something in the file is not allowed.
    """
    _checkUnmixed(table, ownKeys)
    allowKeys(table, _KEYS, "")
    if SEQUENCE not in table:
        raise BadValue(
            f"{SEQUENCE} is missing, and has no default here, because the default of "
            "port-knocking-doors is public: create a sequence with `pkdoors sequence`"
        )
    for key in _UNNEEDED:
        if key in table:
            parseAt(key, lambda value: _parseAnyTime(TIME.read(value)), table[key])
    values = {**_DEFAULTS, **table}
    fields = dict(_readField(key, values[key]) for key in _REPLACED)
    try:
        door = Door("default", fields.pop("sequence"), fields.pop("ports"))
        door.checkPurpose()
    except BadValue as error:
        raise error.at(PORTS) from error
    return replace(door, maxOpenFor=max(door.maxOpenFor, fields["openFor"]), **fields)


def _checkUnmixed(table: Table, ownKeys: Iterable[str]) -> None:
    theirs = next(key for key in table if key in _KEYS)
    for key in ownKeys:
        if key in table:
            raise BadValue(
                f"{theirs!r} is a key of port-knocking-doors, but {key!r} is one of pkdoors: "
                "use the keys of only one of them, or two files"
            )


def _readField(key: str, value: object) -> tuple[str, Any]:
    """Return the field of a L{Door} that a key stands for, and its value."""
    (setting,) = (setting for setting in DOOR_SETTINGS if setting.key == _REPLACED[key])
    return setting.field, parseAt(key, setting.read, value)


def describeKeys(table: Table) -> list[str]:
    """Return a line for each key of the file: what replaced it. No value: one is a secret."""
    return [
        f"{key} is now called {_REPLACED[key]}"
        if key in _REPLACED
        else f"{key} is no longer needed: {_UNNEEDED[key]}"
        for key in table
    ]


def describeSeed(table: Table, file: str) -> str:
    """Return one line for the operator about a file that is read as it is."""
    unneeded = [f"{key} ({why})" for key, why in _UNNEEDED.items() if key in table]
    return (
        f"{file} is a configuration of port-knocking-doors and is read as such"
        + (f"; no longer needed: {', '.join(unneeded)}" if unneeded else "")
        + f"; `pkdoors init --seed {quote(file)}` converts it to one of pkdoors"
    )
