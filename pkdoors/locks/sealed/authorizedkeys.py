"""
Who may knock: a file in the format of OpenSSH's C{authorized_keys}, C{sshd(8)}. Pure.

Of its options these count: C{from}, C{expiry-time}, C{doors} and C{max-open}; the last two are
pkdoors' own. Any other refuses the key: it would mean less than its author thinks.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twisted.conch.ssh.keys import Key

from pkdoors.errors import BadValue
from pkdoors.knocks.signatures import ALGORITHMS, fingerprint, loadKey
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.model.principal import Principal
from pkdoors.util.durations import parseDuration

MAX_KEYS = 256
"""Keys in one file: each knock is compared with all of them."""

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?:,|(?=\s)|$)')
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """
    Somebody who may knock.

    @ivar blob: the SSH public key blob.
    @ivar comment: the name of who it is, as the file has it.
    @ivar sources: from where it may knock; L{None} for everywhere.
    @ivar expires: the time of day from which it is refused; L{None} for never.
    @ivar doors: the doors that it may open; L{None} for all.
    @ivar maxOpenFor: seconds that it may open for at most; 0 where only the door says that.
    """

    key: Key = field(repr=False)
    blob: bytes = field(repr=False)
    comment: str = ""
    sources: AddressPatterns | None = None
    expires: float | None = None
    doors: frozenset[str] | None = None
    maxOpenFor: float = 0.0

    @property
    def who(self) -> Principal:
        """Whose it is."""
        return Principal(self.comment, fingerprint(self.blob))

    def __str__(self) -> str:
        return str(self.who)

    def refusal(self, door: str, source: str, today: float) -> str:
        """Why it may not open a door from somewhere now; empty where it may."""
        if self.expires is not None and today >= self.expires:
            when = datetime.fromtimestamp(self.expires)
            return f"the key of {self} expired {when:%Y-%m-%d %H:%M}"
        if self.doors is not None and door not in self.doors:
            return f"the key of {self} is not for this door"
        if self.sources is not None and not self.sources.match(source):
            return f"the key of {self} may not knock from here (from=)"
        return ""


def parseAuthorizedKeys(text: str, path: str) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Read the file.

    @param path: its name, for the complaints.
    @return: the keys, and a sentence for each line that is refused.
    """
    keys: list[AuthorizedKey] = []
    complaints = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if len(keys) >= MAX_KEYS:
                raise BadValue(f"there are {MAX_KEYS} keys before it, which is the most")
            keys.append(_parseLine(line))
        except BadValue as error:
            complaints.append(f"{path}, line {number}: this key is refused: {error}")
    return keys, complaints


def _parseLine(line: str) -> AuthorizedKey:
    options, rest = ({}, line) if _isKeyType(line.split()[0]) else _splitOptions(line)
    kind, blob, comment = [*rest.split(None, 2), "", "", ""][:3]
    if not _isKeyType(kind):
        raise BadValue(f"{kind[:40]!r} is no type of key: {', '.join(_typeNames())} are taken")
    try:
        data = b64decode(blob, validate=True)
    except (Base64Error, ValueError):
        raise BadValue("it is not an SSH public key") from None
    key = loadKey(data)
    if key.sshType().decode() != kind:
        raise BadValue(f"it is said to be {kind}, but is {key.sshType().decode()}")
    fields = {name: value for each in options.items() for name, value in [_read(*each)]}
    return AuthorizedKey(key, data, comment.strip(), **fields)


def _isKeyType(word: str) -> bool:
    return word in _typeNames()


def _typeNames() -> list[str]:
    return [name.decode() for name in ALGORITHMS]


def _splitOptions(line: str) -> tuple[dict[str, str], str]:
    """The options in front of a key, names in small letters, and what follows them."""
    options: dict[str, str] = {}
    at = 0
    while match := _OPTION.match(line, at):
        name = match["name"].lower()
        if name in options:
            raise BadValue(f"the option {name} is there twice")
        options[name] = (match["value"] or "").replace('\\"', '"')
        at = match.end()
        if not match[0].endswith(","):
            return options, line[at:]
    raise BadValue('its options cannot be read: they look like from="10.0.0.0/8",doors="ssh"')


def _read(name: str, value: str) -> tuple[str, Any]:
    if name not in _READERS:
        raise BadValue(f"the option {name} is not known: {', '.join(_READERS)} are")
    attribute, read = _READERS[name]
    try:
        return attribute, read(value)
    except BadValue as error:
        raise error.at(f"{name}=") from error


def _expiry(text: str) -> float:
    """A time as C{expiry-time} has it: C{YYYYMMDD[HHMM[SS]]}, local, or with a Z in UTC."""
    digits = text.removesuffix("Z")
    try:
        when = datetime.strptime(digits, _TIMES[len(digits)])
        seconds = (when.replace(tzinfo=UTC) if text.endswith("Z") else when).timestamp()
        datetime.fromtimestamp(seconds)  # it will be shown: see that it can be
    except (KeyError, ValueError, OverflowError):
        raise BadValue(
            f"{text!r} is no time: write it as 20271231 or 202712312359, Z for UTC"
        ) from None
    return seconds


def _names(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (each.strip() for each in text.split(","))))
    if not names:
        raise BadValue("it names no door")
    return names


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "from": ("sources", AddressPatterns.parse),
    "expiry-time": ("expires", _expiry),
    "doors": ("doors", _names),
    "max-open": ("maxOpenFor", parseDuration),
}
