"""
The configuration of knockd. Pure.

::

    [openSSH]
        sequence    = 7000:udp,8000:tcp,9000
        seq_timeout = 10
        tcpflags    = syn
        command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
"""

import re

from pkdoors.config.foreign.commands import Meaning, readCommand
from pkdoors.config.foreign.doors import (
    MAX_DOORS,
    Fate,
    Foreign,
    ForeignDoor,
    checkText,
    describeSeconds,
    makeName,
    readSeconds,
    timesFor,
)
from pkdoors.config.foreign.shell import joinFamilies
from pkdoors.errors import BadValue

CMD_TIMEOUT = 10.0
"""knockd's own default, in seconds."""
MAX_SEQ_TIMEOUT = 3600

_SECTION = re.compile(r"\[(.+)\]")
_KEY = re.compile(r"[a-z_]{1,40}6?")
_OPTIONS = {
    "usesyslog": "not needed: the log goes to the journal",
    "logfile": "not needed: the log goes to the journal; set audit for a file of events",
    "pidfile": "not needed: systemd knows the process",
    "interface": "not taken: knocks are heard on every interface; set interfaces to addresses",
}
_OPEN = ("start_command", "command", "start_command_6", "command_6")
_CLOSE = ("stop_command", "stop_command_6")
_SECRET = "replaced by a new one"
_KEYS = {
    "sequence": _SECRET,
    "one_time_sequences": "not needed: a sealed knock opens only once",
    "tcpflags": "not needed: a knock over TCP is a SYN",
    "target": "not taken: set interfaces to that address if this host has it",
}

Section = list[tuple[str, str]]
"""Keys, in small letters, and values."""


def readKnockd(text: str) -> Foreign:
    """
    Return what a configuration of knockd means.

    @raise BadValue: it is not one.
    """
    sections, fates = _readSections(checkText(text))
    found = [name for name, _ in sections if name != "options"]
    if not found or not any(_isKnown(key) for _, keys in sections for key, _ in keys):
        raise BadValue("it is not a configuration of knockd, which has sections with a sequence")
    if len(found) > MAX_DOORS:
        raise BadValue(f"it has more than {MAX_DOORS} sections")
    doors: list[ForeignDoor] = []
    for name, section in sections:
        if name == "options":
            fates += [(f"options.{key}", _OPTIONS.get(key, "unknown key")) for key, _ in section]
            continue
        door, own = _readSection(name, section, [door.name for door in doors])
        fates += own
        if door is not None:
            doors.append(door)
    if not doors:
        raise BadValue("none of its sections opens something or runs a command")
    return Foreign(tuple(doors), fates)


def _isKnown(key: str) -> bool:
    return key in (*_KEYS, *_OPEN, *_CLOSE, "seq_timeout", "cmd_timeout")


def _readSections(text: str) -> tuple[list[tuple[str, Section]], list[Fate]]:
    """Return the sections, and what became of lines that mean nothing."""
    sections: list[tuple[str, Section]] = []
    strange: list[Fate] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if match := _SECTION.fullmatch(line):
            sections.append((match[1], []))
            continue
        key, equals, value = line.partition("=")
        key = key.strip().lower()
        # What is not a key may be a secret in the wrong place, and is not shown.
        if not sections or not (equals or key == "usesyslog") or not _KEY.fullmatch(key):
            strange.append((f"line {number}", "not understood, and not taken"))
        else:
            sections[-1][1].append((key, value.strip()))
    return sections, strange


def _readSection(
    name: str, section: Section, used: list[str]
) -> tuple[ForeignDoor | None, list[Fate]]:
    """Return the door of a section, if it is one, and what became of its keys."""
    values = dict(section)  # of a key that comes twice, the last one counts
    opening = _readCommands(values, _OPEN)
    closing = _readCommands(values, _CLOSE)
    if not opening.opens and not opening.hook:
        reason = "not needed: the kernel closes each door after open_for; connections go on"
        return None, [(name, reason if opening.closes else "not taken: it has no command")]
    door = _makeDoor(makeName(name, used), values, opening, closing)
    fates = [(name, f"is now the door {door.name}{_describeFields(door)}")]
    for key in dict.fromkeys(key for key, _ in section):
        fates.append((f"{name}.{key}", _describe(key, values[key], closing)))
    return door, fates


def _readCommands(values: dict[str, str], keys: tuple[str, ...]) -> Meaning:
    """
    Return what the commands of a section mean together. A door opens for both families, so a port
    that is opened for one of them is one for both; hooks are kept apart.
    """
    found = {key: readCommand(values[key]) for key in keys if values.get(key)}
    meanings = found.values()
    ports = {ports: None for meaning in meanings for ports in meaning.ports}
    isWhole = any(meaning.opens and not meaning.ports for meaning in meanings)
    return Meaning(
        any(meaning.opens for meaning in meanings),
        () if isWhole else tuple(ports),
        any(meaning.closes for meaning in meanings),
        _makeHook(found),
    )


def _makeHook(found: dict[str, Meaning]) -> tuple[str, ...]:
    """Return the hook of a door, from the commands for IPv4 and for IPv6 clients."""
    ipv4, ipv6 = (
        [found[key].hook for key in found if key.endswith("_6") == isIPv6]
        for isIPv6 in (False, True)
    )
    first, second = (next(filter(None, hooks), ()) for hooks in (ipv4, ipv6))
    if ipv4 and ipv6 and first != second:
        return joinFamilies(first, second)
    return first or second


def _makeDoor(name: str, values: dict[str, str], opening: Meaning, closing: Meaning) -> ForeignDoor:
    fields: dict[str, object] = {}
    if any(values.get(key) for key in _CLOSE):
        seconds = readSeconds(values.get("cmd_timeout", "")) or CMD_TIMEOUT
        fields |= timesFor(seconds)
    if timeout := readSeconds(values.get("seq_timeout", ""), MAX_SEQ_TIMEOUT):
        fields["knockTimeout"] = timeout
    if opening.hook:
        fields["onOpen"] = opening.hook
    if closing.hook:
        fields["onClose"] = closing.hook
    ports = opening.ports or (None if opening.opens else ())
    return ForeignDoor(name, ports, fields)


def _describeFields(door: ForeignDoor) -> str:
    if door.ports:
        return f" ({', '.join(map(str, door.ports))})"
    return " (the ports of sshd)" if door.ports is None else ", which only runs a program"


def _describe(key: str, value: str, closing: Meaning) -> str:
    """Return what became of a key. No value: one is a secret."""
    if key in _OPEN:
        return readCommand(value).describe("on_open")
    if key in _CLOSE:
        return readCommand(value).describe("on_close")
    if key == "seq_timeout":
        return describeSeconds(value, "knock_timeout", MAX_SEQ_TIMEOUT)
    if key == "cmd_timeout":
        if closing == Meaning():
            return "not needed: there is no stop_command"
        return describeSeconds(value, "open_for")
    return _KEYS.get(key, "unknown key, not taken")
