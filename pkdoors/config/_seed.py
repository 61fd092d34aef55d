"""
The configuration file of port-knocking-doors, the program that pkdoors follows: flat keys, one
door. Pure.

::

    ports_to_controls = [22]
    opening_sequence = [17001, 17203, 17005, 17404, 17002]
    max_opened_door_duration = 10

A value may be whatever the key of pkdoors' own allows that it became.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import Any

from pkdoors.config.settings import DOOR_SETTINGS, Setting, allowKeys, parseAt
from pkdoors.errors import BadValue
from pkdoors.model.doors import Door
from pkdoors.util.durations import parseDuration

Table = Mapping[str, Any]

SEQUENCE, PORTS = "opening_sequence", "ports_to_controls"

_BECAME = {
    PORTS: "ports",
    SEQUENCE: "sequence",
    "max_opened_door_duration": "open_for",
    "max_knocker_live_time": "knock_timeout",
    "ignoring_period_after_knock_error": "penalty",
}
_DEFAULTS = {
    PORTS: [22],
    "max_opened_door_duration": 10,
    "max_knocker_live_time": 30,
    "ignoring_period_after_knock_error": 5,
}
_UNNEEDED = {
    "firewall_rules_check_periode_seconds": "what others do to the firewall is put right at once",
    "doors_cleanup_periode": "the kernel closes each door at its deadline",
}
_KEYS = (*_BECAME, *_UNNEEDED)
_ANY_TIME = Setting("", "", "", partial(parseDuration, least=0))


def isSeed(table: Table) -> bool:
    """Whether a file has a key of port-knocking-doors."""
    return any(key in _KEYS for key in table)


def seedDoor(table: Table, others: Iterable[str]) -> Door:
    """
    The door that the file means, with the times that port-knocking-doors would take.

    @param others: the keys of pkdoors' own, which cannot be in the same file.
    @raise BadValue: something in it is not allowed.
    """
    _checkUnmixed(table, others)
    allowKeys(table, _KEYS, "")
    if SEQUENCE not in table:
        raise BadValue(
            f"{SEQUENCE} is missing, and has no default here, because everybody can read the one "
            "of port-knocking-doors: `pkdoors sequence` makes one"
        )
    for key in _UNNEEDED:
        if key in table:
            parseAt(key, _ANY_TIME.read, table[key])
    values = {**_DEFAULTS, **table}
    fields = dict(_field(key, values[key]) for key in _BECAME)
    try:
        door = Door("default", fields.pop("sequence"), fields.pop("ports"))
    except BadValue as error:
        raise error.at(PORTS) from error
    return replace(door, maxOpenFor=max(door.maxOpenFor, fields["openFor"]), **fields)


def _checkUnmixed(table: Table, others: Iterable[str]) -> None:
    theirs = next(key for key in table if key in _KEYS)
    for key in others:
        if key in table:
            raise BadValue(
                f"{theirs!r} is a key of port-knocking-doors, and {key!r} one of pkdoors: "
                "take the keys of only one of them, or two files"
            )


def _field(key: str, value: object) -> tuple[str, Any]:
    """The field of a L{Door} that a key became, and its value."""
    (setting,) = (each for each in DOOR_SETTINGS if each.key == _BECAME[key])
    return setting.field, parseAt(key, setting.read, value)


def fates(table: Table) -> list[str]:
    """What became of each key of the file, a line for each. No value is told: one is a secret."""
    return [
        f"{key}: it is {_BECAME[key]} now"
        if key in _BECAME
        else f"{key}: no longer needed: {_UNNEEDED[key]}"
        for key in table
    ]


def seedNote(table: Table, file: str) -> str:
    """What the operator should know of a file that is read as it is, in one line."""
    unneeded = [f"{key} ({why})" for key, why in _UNNEEDED.items() if key in table]
    return (
        f"{file} is a file of port-knocking-doors, and read as such"
        + (f"; no longer needed: {', '.join(unneeded)}" if unneeded else "")
        + f"; `pkdoors init --seed {quote(file)}` makes one of pkdoors' own of it"
    )
