"""
The client's profiles: how to knock on each host. Pure.

A file may have thousands of profiles, and a client needs one. So only the one that is named is
parsed and checked; the others cost a search for the lines that begin them.

::

    [hosts.home]
    address = "home.example"      # if it is missing, the name of the table
    sequence = [17001, 17203, 17005, 17404, 17002]
    identity = "~/.ssh/id_ed25519"

    [groups.prod]                 # several hosts to knock on at once
    hosts = ["home", "office"]
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pkdoors.client._tables import checkKeys, checkTable, readGroup, readTables
from pkdoors.client.core.binding import parseBind
from pkdoors.client.core.hosts import parseWaitPort
from pkdoors.errors import BadValue
from pkdoors.model.knockports import parseKnockPort
from pkdoors.model.names import checkName
from pkdoors.model.sequence import MAX_PORTS, MIN_PORTS, Sequence
from pkdoors.util.durations import parseDuration
from pkdoors.util.quoting import shown

WOULD_USE = "waiting for a port connects to it, which uses up an opening for one connection"
"""Why a client cannot wait for the port of a door that opens for one connection."""

DEFAULT_DOOR = "default"
"""The name of the daemon's door if its command line sets it up."""

FROM_AGENT = "agent"
"""In place of a key's path: any key of the SSH agent that the host accepts."""

USUAL = "usual"
"""Likewise: the agent's keys; without any, those in the files that ssh uses by itself."""


class Profile(NamedTuple):
    """
    What is known about a host; L{None} for what its table does not say.

    @ivar identity: the path of a key, L{FROM_AGENT}, or L{USUAL}.
    @ivar isSealed: whether its knocks are sealed.
    @ivar openFor: seconds to ask for.
    @ivar wait: the TCP port to wait for.
    @ivar isOnce: whether the door opens for one connection at a time.
    @ivar roundTrip: seconds from here to the host and back.
    @ivar interval: seconds between two datagrams of a plain knock.
    @ivar hearsAny: whether the door hears any datagram as a knock, whatever its payload.
    @ivar bind: what a sealed knock is bound to, see L{parseBind}.
    """

    address: str
    sequence: Sequence | None = None
    door: str | None = None
    identity: str | None = None
    isSealed: bool = False
    openFor: float | None = None
    wait: int | None = None
    isOnce: bool = False
    roundTrip: float | None = None
    hearsAny: bool = False
    bind: str | None = None
    interval: float | None = None


class Profiles(Mapping[str, Profile]):
    """
    The profiles in a text, by name.

    A method that looks at a profile raises L{BadValue} if the profile, or what comes before the
    first one, is not TOML, or if something in it is unknown or not allowed. No message contains a
    sequence.

    @param where: precedes each message.
    @ivar text: the whole text.
    """

    def __init__(self, text: str = "", where: str = "") -> None:
        self.text = text
        self._where = where

    def __getitem__(self, name: str) -> Profile:
        """Return a profile."""
        try:
            return readProfile(name, self._tablesOf("hosts", name)[name])
        except BadValue as error:
            raise self._locate(error) from error

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return self._names("hosts")

    def __len__(self) -> int:
        """Return the number of profiles."""
        return sum(1 for _ in self)

    def findGroup(self, name: str) -> tuple[str, ...]:
        """
        Return the names of the hosts in a group, each of which has a profile; none if there is no
        such group.
        """
        try:
            table = self._tablesOf("groups", name).get(name)
            return () if table is None else readGroup(name, table, {*self}, {*self.groups()})
        except BadValue as error:
            raise self._locate(error) from error

    def groups(self) -> Iterator[str]:
        """Iterate over the names of the groups."""
        return self._names("groups")

    def findSpan(self, name: str) -> tuple[int, int] | None:
        """
        Return the first and the last index of a host's profile: of the line that begins it, and of
        the next line that begins a table. L{None} if it is not written that way, or not there.
        """
        spans = (self._sections or {}).get(("hosts", name), ())
        return spans[0] if len(spans) == 1 else None

    def _locate(self, error: BadValue) -> BadValue:
        return error.at(self._where) if self._where else error

    def _names(self, kind: str) -> Iterator[str]:
        sections = self._sections
        if sections is None:
            return iter(self._all[kind])
        named = (name for section, name in sections if section == kind)
        return iter(dict.fromkeys((*self._tablesOf(kind, ""), *named)))

    def _tablesOf(self, kind: str, name: str) -> dict[str, Any]:
        """
        Return the tables of one kind, with the one of this name among them if there is one.

        @param kind: a key of L{_KINDS}.
        """
        sections = self._sections
        if sections is None:
            return self._all[kind]
        spans = [(0, self._begin), *sections.get((kind, name), ())]
        try:
            return readTables("\n".join(self.text[first:last] for first, last in spans))[kind]
        except BadValue:
            return readTables(self._blank(spans))[kind]  # its message has the right line

    def _blank(self, spans: Iterable[tuple[int, int]]) -> str:
        """Return the text with nothing but the ends of lines outside some spans."""
        parts: list[str] = []
        done = 0
        for first, last in spans:
            parts += ("\n" * self.text.count("\n", done, first), self.text[first:last])
            done = last
        return "".join(parts)

    @cached_property
    def _all(self) -> dict[str, dict[str, Any]]:
        return readTables(self.text)

    @cached_property
    def _begin(self) -> int:
        """The index of the first line that begins a table."""
        match = _HEADER.search(f"\n{self.text}")
        return match.start() if match else len(self.text)

    @cached_property
    def _sections(self) -> dict[tuple[str, str], list[tuple[int, int]]] | None:
        """
        The first and the last index of each profile and group, by kind and name; L{None} if only a
        parser can tell.

        Outside strings of several lines, a line that has the form of L{_NAMED} is always what it
        looks like: inside a list it would be an error.
        """
        if '"""' in self.text or "'''" in self.text:
            return None
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        headers = list(_HEADER.finditer(f"\n{self.text}"))  # so each begins where its line does
        ends = [header.start() for header in headers[1:]] + [len(self.text)]
        for header, end in zip(headers, ends, strict=False):
            named = _NAMED.fullmatch(header[1])
            if named is None:
                return None
            name: str = named[named.lastgroup or ""]
            found.setdefault((named["kind"], name), []).append((header.start(), end))
        return found


_HEADER = re.compile(r"\n([ \t]*\[.*)")
"""A line that begins a table, or a list within a list."""
_NAMED = re.compile(
    r"""[ \t]*\[[ \t]*(?P<kind>hosts|groups)[ \t]*\.[ \t]*
    (?:(?P<bare>[A-Za-z0-9_-]+)|"(?P<basic>[^"\\\x00-\x1f\x7f]*)"|'(?P<literal>[^'\x00-\x1f\x7f]*)')
    [ \t]*\][ \t]*(?:\#[^\x00-\x08\x0a-\x1f\x7f]*)?\r?""",
    re.VERBOSE,
)
"""A line that begins the profile of a host, or a group, whose name is written without an escape."""


def readProfile(name: str, table: Any) -> Profile:
    """
    Read the table of a host.

    @raise BadValue: something in it is unknown or not allowed. The message begins with the host.
    """
    where = checkTable("hosts", name, table)
    try:
        checkKeys(table, _KEYS)
        fields = dict(_readKey(key, value) for key, value in table.items())
        if fields.get("isOnce") and fields.get("wait"):
            raise BadValue(f"remove wait, because {WOULD_USE}")
    except BadValue as error:
        raise error.at(where) from error
    fields.setdefault("address", name)
    fields.setdefault("isSealed", "identity" in fields)
    return Profile(**fields)


def _readKey(key: str, value: object) -> tuple[str, Any]:
    """Return the field of a L{Profile} that a key stands for, and its value."""
    field, read = _KEYS[key]
    try:
        return field, read(value)
    except BadValue as error:
        raise error.at(key) from error


def _readText(value: object) -> str:
    if not isinstance(value, str):
        raise BadValue(f"{shown(value)} is not a string: write it in quotes")
    if not value:
        raise BadValue("it is empty: remove the key, or give it a value")
    return value


def _readFlag(value: object) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"{shown(value)} is neither true nor false")
    return value


def _readSequence(value: object) -> Sequence:
    try:
        if isinstance(value, list) and all(type(port) in (int, str) for port in value):
            return Sequence(tuple(parseKnockPort(str(port)) for port in value))
        return Sequence.parse(_readText(value))
    except BadValue:
        raise BadValue(
            f"it is not a list of {MIN_PORTS} to {MAX_PORTS} ports, numbers from 1 to 65535, with "
            'a TCP port as "17001/tcp"'
        ) from None  # its message would contain the sequence


def _readTime(value: object) -> float:
    return parseDuration(str(value) if type(value) is int else _readText(value))


def _readRoundTrip(value: object) -> float:
    return parseDuration(_readText(value), least=0.001, most=10)


def parseInterval(text: str) -> float:
    """
    Read the time between two datagrams of a plain knock.

    @return: seconds.
    @raise BadValue: it is not a time from 0 to 10 seconds.
    """
    return parseDuration(text, least=0, most=10)


def _readPayload(value: object) -> bool:
    if value not in ("knock", "any"):
        raise BadValue(f'{shown(value)} is neither "knock" nor "any", as the host\'s door has it')
    return value == "any"


def _readUses(value: object) -> bool:
    if value not in ("many", "once"):
        raise BadValue(f'{shown(value)} is neither "many" nor "once", as the host\'s door has it')
    return value == "once"


def _readPort(value: object) -> int:
    if type(value) is not int and not isinstance(value, str):
        raise BadValue(f'{shown(value)} is not a port: write 22 or "22/tcp"')
    return parseWaitPort(str(value))


_KEYS: dict[str, tuple[str, Callable[[object], Any]]] = {
    "address": ("address", _readText),
    "sequence": ("sequence", _readSequence),
    "bind": ("bind", lambda value: parseBind(_readText(value))),
    "door": ("door", lambda value: checkName(_readText(value))),
    "identity": ("identity", _readText),
    "sealed": ("isSealed", _readFlag),
    "open_for": ("openFor", _readTime),
    "wait": ("wait", _readPort),
    "uses": ("isOnce", _readUses),
    "round_trip": ("roundTrip", _readRoundTrip),
    "interval": ("interval", lambda value: parseInterval(_readText(value))),
    "payload": ("hearsAny", _readPayload),
}
