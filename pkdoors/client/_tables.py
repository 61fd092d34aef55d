"""The tables in a file of profiles, before anybody looks at their values; groups of hosts. Pure."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from pkdoors.errors import BadValue
from pkdoors.util.oneline import oneLine
from pkdoors.util.quoting import shown
from pkdoors.util.toml import readToml

MAX_NAME = 64
"""Letters of a host's name that an error shows."""
MAX_GROUP = 1000
"""Hosts of a group. A client knocks on all of them at once, and each needs a socket."""

_KINDS = ("hosts", "groups")
"""What a file of profiles has tables of."""


def readTables(text: str) -> dict[str, dict[str, Any]]:
    """
    Return the tables of hosts and of groups in a file of profiles, which are not checked yet.

    @raise BadValue: it is not a file of profiles.
    """
    try:
        tables = readToml(text)
    except BadValue as error:
        raise error.at("it is not valid TOML") from error
    for name, table in tables.items():
        if isinstance(table, dict) and name not in _KINDS:
            raise BadValue(f"unknown table [{shown(name)}]: write [hosts.NAME] or [groups.NAME]")
    checkKeys(tables, _KINDS)
    for kind in _KINDS:
        if not isinstance(tables.setdefault(kind, {}), dict):
            raise BadValue(f"{kind} is not a table: write [{kind}.NAME]")
    return tables


def checkTable(kind: str, name: str, table: object) -> str:
    """
    Return how an error names a table.

    @raise BadValue: it is not a table.
    """
    where = f"[{kind}.{oneLine(name, MAX_NAME)}]"
    if not isinstance(table, dict):
        raise BadValue(f"it is not a table: write its keys below a line [{kind}.NAME]").at(where)
    return where


def readGroup(
    name: str, table: Any, known: Container[str], groups: Container[str]
) -> tuple[str, ...]:
    """
    Return the names of the hosts in a group.

    @param known: the names of all profiles.
    @param groups: the names of all groups. A group cannot be in another one: hosts could be in it
        twice, and groups in a circle.
    @raise BadValue: something in it is unknown or not allowed. The message begins with the group.
    """
    where = checkTable("groups", name, table)
    try:
        checkKeys(table, ("hosts",))
        if name in known:
            raise BadValue("a host has the same name: rename the group")
        return _readHosts(table.get("hosts"), known, groups)
    except BadValue as error:
        raise error.at(where) from error


def _readHosts(hosts: object, known: Container[str], groups: Container[str]) -> tuple[str, ...]:
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts) or not hosts:
        raise BadValue('hosts is not a list of names: write hosts = ["NAME", "NAME"]')
    if len(hosts) > MAX_GROUP:
        raise BadValue(f"it has {len(hosts)} hosts, {MAX_GROUP} are allowed")
    for host in hosts:
        if host not in known and host in groups:
            raise BadValue(f"{oneLine(host, MAX_NAME)} is a group: name its hosts instead")
        if host not in known:
            raise BadValue(f"there is no profile [hosts.{oneLine(host, MAX_NAME)}]")
        if hosts.count(host) > 1:
            raise BadValue(f"{oneLine(host, MAX_NAME)} is in it twice: remove one")
    return tuple(hosts)


def checkKeys(table: Mapping[str, object], allowed: Iterable[str]) -> None:
    """
    Check that a table has no other keys.

    @raise BadValue: it has one.
    """
    for key in table:
        if key not in allowed:
            raise BadValue(f"unknown key {shown(key)}: allowed are {', '.join(allowed)}")
