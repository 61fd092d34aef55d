"""The reference of the keys in the daemon's configuration file."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from manual.markdown import escape
from pkdoors.config import values
from pkdoors.config._setting import BOOLEAN, Choice, Setting
from pkdoors.config.config import FIREWALLS, LISTENING
from pkdoors.config.fleet import WHEN_ALONE
from pkdoors.config.fleetfile import ENGINE, FLEET_SETTINGS, NAMES
from pkdoors.config.settings import DAEMON_SETTINGS, DOOR_SETTINGS
from pkdoors.model.sources import WHOLE
from pkdoors.util.durations import MAX_DURATION, formatDuration


class Group(NamedTuple):
    """
    Keys that belong together.

    @ivar title: the heading above them.
    @ivar examples: for each key, a value that is not the default, in TOML.
    """

    title: str
    examples: Mapping[str, str]


DAEMON_GROUPS = (
    Group(
        "Firewall and network",
        {
            "firewall": '"nftables"',
            "zone": '"public"',
            "listen": '"capture"',
            "interfaces": '["192.0.2.1", "2001:db8::1"]',
        },
    ),
    Group(
        "The operator",
        {"admin": '"off"', "audit": '"/var/log/pkdoors/audit.jsonl"', "max_openings": "131072"},
    ),
    Group("The fleet", {"fleet_file": '"/etc/fleet.toml"'}),
)

DOOR_GROUPS = (
    Group(
        "What the door protects, and what opens it",
        {
            "sequence": "[17001, 17203, 17005, 17404, 17002, 17108, 17301, 17009]",
            "ports": '[22, "51820/udp", "6000-6010/tcp"]',
            "trusted": '["192.168.1.0/24", "fd00::/8", "wg0"]',
            "payload": '"any"',
        },
    ),
    Group(
        "Sealed knocks",
        {
            "authorized_keys": '"/etc/pkdoors/authorized_keys"',
            "revoked_keys": '"/etc/pkdoors/revoked_keys"',
            "clock_skew": '"30s"',
            "grant4": "24",
            "grant6": "64",
        },
    ),
    Group("The fleet", {"fleet": "true", "listen": "false"}),
    Group(
        "Times",
        {
            "open_for": '"10m"',
            "max_open_for": '"8h"',
            "knock_timeout": '"10s"',
            "penalty": '"30s"',
        },
    ),
    Group(
        "Connections",
        {
            "sessions": '"cut"',
            "uses": '"once"',
            "udp_idle": '"5m"',
            "udp_max": '"1h"',
            "udp_grace": '"0"',
        },
    ),
    Group(
        "Limits",
        {"knock_rate": "1000", "knock_burst": "200", "max_openings": "100"},
    ),
    Group(
        "Programs to run",
        {
            "on_open": '["/usr/local/bin/pkdoors-tell", "open"]',
            "on_close": '["/usr/local/bin/pkdoors-tell", "closed"]',
            "on_refuse": '["/usr/local/bin/pkdoors-tell", "refused"]',
        },
    ),
)

FLEET_GROUPS = (
    Group("Which fleet", {"name": '"prod"', "host": '"web1"', "hosts": '["gate1", "web1"]'}),
    Group(
        "The engine",
        {
            "engine": '"rediss://redis.example:6379"',
            "password": '"/etc/pkdoors/fleet.password"',
            "ca": '"/etc/pkdoors/fleet-ca.pem"',
            "when_alone": '"refuse"',
        },
    ),
    Group("Whose word counts", {"trust": '["gate1"]', "operators": '"/etc/pkdoors/operators"'}),
)


FORMS = {
    values.STRING: "a string",
    values.PATH: "an absolute path",
    values.PATHS: "an absolute path, or a list of them",
    values.ADMIN: 'an absolute path, or `"off"`',
    values.TIME: 'a time: `"45s"`, `"10m"`, `"8h"`, `"7d"` or `"1h30m"`',
    values.NUMBER: "a number",
    values.ADDRESSES: "a list of addresses",
    values.TRUSTED: "a list of networks and names of interfaces",
    values.COMMAND: "a list: the program's absolute path, then its arguments",
    values.SEQUENCE: "a list of 5 to 20 ports",
    values.PORTS: "a list of ports and ranges of ports",
    BOOLEAN: "`true` or `false`",
    NAMES: "a list of names of hosts",
    ENGINE: "a URL",
}
"""How a file holds a value -> what the manual says of that."""

_WORDS = {
    "parseFirewall": FIREWALLS,
    "parseListening": LISTENING,
    "parseWhenAlone": WHEN_ALONE,
}


def describeForm(setting: Setting) -> str:
    """Return how a setting's value is written, with the words or the bounds that it has."""
    if words := findWords(setting):
        *others, last = [f'`"{word}"`' for word in words]
        return f"{', '.join(others)} or {last}"
    bounds = findBounds(setting)
    return FORMS[setting.kind] + (f"; from {bounds[0]} to {bounds[1]}" if bounds else "")


def findWords(setting: Setting) -> tuple[str, ...]:
    """Return the words that a setting can have; none if it is not one of a few words."""
    chooser = getattr(setting.parse, "__self__", None)
    if isinstance(chooser, Choice):
        return chooser.no, chooser.yes
    return _WORDS.get(getattr(setting.parse, "__name__", ""), ())


def findBounds(setting: Setting) -> tuple[str, str] | None:
    """Return the least and the greatest value of a setting; L{None} if it has none."""
    given = setting.parse.keywords if isinstance(setting.parse, partial) else {}
    if setting.kind == values.TIME:
        least, most = given.get("least", 1.0), given.get("most", MAX_DURATION)
        return formatDuration(least), formatDuration(most)
    if setting.kind != values.NUMBER:
        return None
    if "version" in given:
        version: int = given["version"]
        return str(values.WIDEST_GRANT[version]), str(WHOLE[version])
    if "orNone" in given:
        orNone = ", or 0" if given["orNone"] else ""
        return str(values.FEWEST), f"{values.MOST_DATAGRAMS}{orNone}"
    return "1", str(given["most"])


def describeDaemonSettings(isManPage: str = "") -> str:
    """
    Return the reference of the keys for the whole daemon.

    @param isManPage: not empty for a manual page, which has two levels of headings only.
    """
    return _describeGroups(DAEMON_GROUPS, DAEMON_SETTINGS, "DAEMON: " if isManPage else "")


def describeDoorSettings(isManPage: str = "") -> str:
    """
    Return the reference of the keys of a door.

    @param isManPage: see L{describeDaemonSettings}.
    """
    return _describeGroups(DOOR_GROUPS, DOOR_SETTINGS, "DOOR: " if isManPage else "")


def describeFleetSettings(isManPage: str = "") -> str:
    """
    Return the reference of the keys of a fleet.

    @param isManPage: see L{describeDaemonSettings}.
    """
    return _describeGroups(FLEET_GROUPS, FLEET_SETTINGS, "FLEET: " if isManPage else "")


def _describeGroups(groups: Iterable[Group], settings: Iterable[Setting], head: str) -> str:
    known = {setting.key: setting for setting in settings}
    level = "##" if head else "###"
    lines: list[str] = []
    for group in groups:
        title = f"{head}{group.title.upper()}" if head else group.title
        lines.append(f"{level} {title}\n")
        for key, example in group.examples.items():
            lines.append(f"{level}# `{key}`\n\n{_describeSetting(known[key], example)}")
    return "\n".join(lines)


def _describeSetting(setting: Setting, example: str) -> str:
    default = setting.default()
    isNone = default is None or default in ("", ())
    facts = [
        ("Form", describeForm(setting)),
        ("Default", _describeDefault(setting) if isNone else f"`{setting.kind.write(default)}`"),
        ("Example", f"`{setting.key} = {example}`"),
        ("Option", nameOption(setting) or "none, only in the file"),
    ]
    if setting.variable:
        facts.append(("Environment", f"`{setting.variable}`"))
    if setting.isFixed:
        facts.append(("Change", "needs a restart of the daemon; a reload refuses it"))
    listed = "".join(f"- {name}: {text}\n" for name, text in facts)
    return f"{escape(setting.comment)}\n\n{listed}"


def _describeDefault(setting: Setting) -> str:
    return "none, the key is needed" if setting.default() is None else "none"


def nameOption(setting: Setting) -> str:
    """Return how the command line sets something; empty if it cannot."""
    if not setting.option:
        return ""
    word = "" if setting.isFlag else f" *{setting.kind.metavar}*"
    letter = f"`-{setting.letter}`{word}, " if setting.letter else ""
    return f"{letter}`--{setting.option}`{word}"
