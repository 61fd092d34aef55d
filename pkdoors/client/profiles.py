"""
The client's hosts, each with what it takes to knock there. Pure.

::

    [hosts.home]
    address = "home.example"      # the table's own name, where there is none
    sequence = [17001, 17203, 17005, 17404, 17002]
    identity = "~/.ssh/id_ed25519"
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pkdoors.errors import BadValue
from pkdoors.model.doors import checkName
from pkdoors.model.ports import parsePort
from pkdoors.model.sequence import MAX_PORTS, MIN_PORTS, Sequence
from pkdoors.util.durations import parseDuration
from pkdoors.util.oneline import oneLine
from pkdoors.util.quoting import shown
from pkdoors.util.toml import readToml

MAX_NAME = 64
"""Letters of a host's name that are shown where something is wrong."""

FROM_AGENT = "agent"
"""In place of a key's path: whichever of the SSH agent's keys the host takes."""


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What is known of a host; L{None} for what its table does not tell.

    @ivar identity: the path of a key, or L{FROM_AGENT}.
    @ivar isSealed: whether its knocks are sealed.
    @ivar openFor: seconds to ask for.
    @ivar wait: the TCP port to wait for.
    """

    address: str
    sequence: Sequence | None = None
    door: str | None = None
    identity: str | None = None
    isSealed: bool = False
    openFor: float | None = None
    wait: int | None = None


def parseProfiles(text: str) -> dict[str, Profile]:
    """
    Read a file of hosts.

    @raise BadValue: it is no TOML, or something in it is not known or not allowed. No message
        tells what a sequence is.
    """
    try:
        tables = readToml(text)
    except BadValue as error:
        raise error.at("it is no TOML") from error
    _checkKeys(tables, ("hosts",))
    hosts = tables.get("hosts", {})
    if not isinstance(hosts, dict):
        raise BadValue("hosts is no table: write [hosts.NAME]")
    return {name: _readProfile(name, table) for name, table in hosts.items()}


def _readProfile(name: str, table: Any) -> Profile:
    where = f"[hosts.{oneLine(name, MAX_NAME)}]"
    if not isinstance(table, dict):
        raise BadValue("it is no table: write its keys below a line [hosts.NAME]").at(where)
    try:
        _checkKeys(table, _KEYS)
        fields = dict(_readKey(key, value) for key, value in table.items())
    except BadValue as error:
        raise error.at(where) from error
    fields.setdefault("address", name)
    fields.setdefault("isSealed", "identity" in fields)
    return Profile(**fields)


def _checkKeys(table: Mapping[str, object], allowed: Iterable[str]) -> None:
    for key in table:
        if key not in allowed:
            raise BadValue(f"{shown(key)} is not known: allowed are {', '.join(allowed)}")


def _readKey(key: str, value: object) -> tuple[str, Any]:
    """The field of a L{Profile} that a key is, and its value."""
    field, read = _KEYS[key]
    try:
        return field, read(value)
    except BadValue as error:
        raise error.at(key) from error


def _readText(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadValue(f"{shown(value)} is no text: write it in quotes")
    return value


def _readFlag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"{shown(value)} is neither true nor false")
    return value


def _readSequence(value: object) -> Sequence:
    try:
        if isinstance(value, list) and all(type(each) is int for each in value):
            return Sequence(tuple(parsePort(str(each)) for each in value))
        return Sequence.parse(_readText(value))
    except BadValue:
        raise BadValue(
            f"it is no list of {MIN_PORTS} to {MAX_PORTS} UDP ports, numbers from 1 to 65535"
        ) from None  # the message would tell it


def _readTime(value: object) -> float:
    return parseDuration(str(value) if type(value) is int else _readText(value))


def _readPort(value: object) -> int:
    if type(value) is not int:
        raise BadValue(f"{shown(value)} is not a port: a port is a number from 1 to 65535")
    return parsePort(str(value))


_KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "address": ("address", _readText),
    "sequence": ("sequence", _readSequence),
    "door": ("door", lambda value: checkName(_readText(value))),
    "identity": ("identity", _readText),
    "sealed": ("isSealed", _readFlag),
    "open_for": ("openFor", _readTime),
    "wait": ("wait", _readPort),
}
