"""What can be set, for the daemon and for a door: by an option, a variable, or a key in a file."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeVar

from pkdoors.config.config import FIREWALLS
from pkdoors.errors import BadValue
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import parseDuration
from pkdoors.util.quoting import shown

MAX_SOCKET_PATH = 107
"""Bytes in the path of a UNIX socket; C{unix(7)}."""

FEWEST, MOST_DATAGRAMS = 100, 1_000_000
"""Datagrams of one source: a sealed knock on 20 ports, sent three times, has 60."""

T = TypeVar("T")
V = TypeVar("V")

MAX_SKEW = 3600.0
"""Seconds: so long the nonces of sealed knocks are remembered. Clocks are set nowadays."""


MAX_GRACE = 300.0
"""Seconds for which a UDP port may stay open that is protected for the first time."""


def parseAt(where: str, parse: Callable[[V], T], value: V) -> T:
    """
    What a parser makes of a value.

    @param where: the option, variable or key that held it.
    @raise BadValue: it is not allowed; the message begins with the place.
    """
    try:
        return parse(value)
    except BadValue as error:
        raise error.at(where) from error


def allowKeys(table: Iterable[str], keys: Iterable[str], where: str) -> None:
    """
    See that a table of a file has no others than these keys.

    @raise BadValue: it has; the message begins with the place.
    """
    for key in table:
        if key not in keys:
            raise BadValue(f"{where}{shown(key)} is no key here: allowed are {', '.join(keys)}")


def parseFirewall(text: str) -> str:
    """Read the name of a firewall."""
    if text not in FIREWALLS:
        raise BadValue(f"{shown(text)} is no firewall: choose {', '.join(FIREWALLS)}")
    return text


def parseDatagrams(text: str, orNone: bool) -> int:
    """
    Read a number of datagrams.

    @param orNone: whether 0 is allowed.
    """
    given = int(text) if re.fullmatch("[0-9]{1,9}", text) else -1
    if not FEWEST <= given <= MOST_DATAGRAMS and not (orNone and given == 0):
        no = "0 for no limit, or " if orNone else ""
        raise BadValue(
            f"{shown(text)} is no number of datagrams that will do: write {no}{FEWEST} to "
            f"{MOST_DATAGRAMS}"
        )
    return given


def parseSessions(text: str) -> bool:
    """Read whether sessions are cut."""
    if text not in ("keep", "cut"):
        raise BadValue(
            f"{shown(text)} is neither keep (live sessions live on when the door closes) "
            "nor cut (they end with it)"
        )
    return text == "cut"


def parseInterface(text: str) -> str:
    """Read a local address to listen on."""
    try:
        ip_address(text)
    except ValueError:
        raise BadValue(
            f"{shown(text)} is not an address: give a local IPv4 or IPv6 address, like 192.0.2.1"
        ) from None
    return text


def parsePath(text: str) -> str:
    """Read the path of a file."""
    if not text:
        raise BadValue("it is empty: give the path of a file")
    return text


def parseAdmin(text: str) -> str:
    """Read where the admin socket shall be; empty for nowhere."""
    if text == "off":
        return ""
    if not _isWholePath(text) or len(text.encode(errors="surrogateescape")) > MAX_SOCKET_PATH:
        raise BadValue(
            f"{shown(text)} is no place for the admin socket: write its whole path, from / on, "
            f"of at most {MAX_SOCKET_PATH} bytes, or off"
        )
    return text


def _isWholePath(text: str) -> bool:
    return text.startswith("/") and "\0" not in text  # TOML can have that, the kernel cannot


def asText(value: object) -> str:
    """The text that is the value of a key."""
    if not isinstance(value, str):
        raise BadValue(f"{shown(value)} is not a text: write it in quotes")
    return value


def _time(value: object) -> str:
    if isinstance(value, str):
        return value
    if type(value) is not int:
        raise BadValue(f'{shown(value)} is not a time: write it like "45s", "10m", "8h" or "1h30m"')
    return str(value)


def _number(value: object) -> str:
    if type(value) is not int:
        raise BadValue(f"{shown(value)} is not a number: write it like 10000")
    return str(value)


def _ports(allowed: str, kinds: tuple[type, ...], value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or {*map(type, value)} - {*kinds}:
        raise BadValue(f"{shown(value)} is not a list of ports: write {allowed}")
    return ",".join(map(str, value))


def asPath(value: object) -> str:
    """The whole path of a file, as the value of a key."""
    text = asText(value)
    if not _isWholePath(text):
        raise BadValue(f'{shown(text)} is not a whole path: write it from / on, like "/etc/keys"')
    return text


def _command(value: object) -> list[str]:
    command = value if isinstance(value, list) else []
    isFit = {*map(type, command)} == {str} and command[0].startswith("/")
    if not isFit or any("\0" in each for each in command):
        raise BadValue(
            f"{shown(value)} is no command: write a list, the program's whole path first, then its "
            'arguments, like ["/usr/local/bin/tell", "door open"]; no shell reads it'
        )
    return command


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One thing that can be set for a door.

    @ivar key: in the door's table of a file.
    @ivar option: on the command line; empty where it can only be set in a file.
    @ivar field: of L{pkdoors.model.doors.Door}.
    @ivar parse: reads the text of an option.
    @ivar textOf: makes that text of the key's value.
    @ivar variable: in the environment; empty where there is none.
    """

    key: str
    option: str
    field: str
    parse: Callable[[Any], object]
    textOf: Callable[[object], Any] = _time
    variable: str = ""

    def read(self, value: object) -> object:
        """What the key's value in a file means."""
        return self.parse(self.textOf(value))


DOOR_SETTINGS = (
    Setting(
        *("sequence", "magic-seq", "sequence", Sequence.parse),
        partial(_ports, "[17001, 17203, ...], 5 to 20 numbers", (int,)),
        "KNOCKER_SEQ",
    ),
    Setting(
        *("ports", "ports", "ports", parsePortRanges),
        partial(_ports, '[22, "51820/udp", "6000-6010/tcp"]', (int, str)),
        "KNOCKER_PORTS",
    ),
    Setting("open_for", "open-for", "openFor", parseDuration),
    Setting("max_open_for", "max-open", "maxOpenFor", parseDuration),
    Setting("knock_timeout", "knock-timeout", "knockTimeout", parseDuration),
    Setting("penalty", "penalty", "penalty", partial(parseDuration, least=0)),
    Setting("authorized_keys", "authorized-keys", "authorizedKeys", parsePath, asPath),
    Setting("sessions", "sessions", "cutSessions", parseSessions, asText),
    Setting("udp_idle", "udp-idle", "udpIdle", parseDuration),
    Setting("udp_max", "udp-max", "udpMax", partial(parseDuration, least=0)),
    Setting("udp_grace", "udp-grace", "udpGrace", partial(parseDuration, least=0, most=MAX_GRACE)),
    Setting("on_open", "", "onOpen", tuple, _command),
    Setting("on_close", "", "onClose", tuple, _command),
    Setting("on_refuse", "", "onRefuse", tuple, _command),
    Setting("clock_skew", "clock-skew", "clockSkew", partial(parseDuration, most=MAX_SKEW)),
    Setting("knock_rate", "knock-rate", "knockRate", partial(parseDatagrams, orNone=True), _number),
    Setting(
        "knock_burst", "knock-burst", "knockBurst", partial(parseDatagrams, orNone=False), _number
    ),
)
