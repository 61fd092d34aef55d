"""
The keys that may knock, in a file in the format of OpenSSH's C{authorized_keys}, C{sshd(8)}. Pure.

The allowed options are C{from}, C{expiry-time}, C{cert-authority} and C{principals}, and pkdoors'
own C{any-principal}, C{doors}, C{max-open-for}, C{prefix} and C{for-others}. A key with any other
option is refused, because the option would not restrict it as its author thinks.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twisted.conch.ssh.keys import Key

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import certificateTypes
from pkdoors.knocks.signatures import loadKey
from pkdoors.knocks.wire import ALGORITHMS, fingerprint
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.revocations import Revocations
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source
from pkdoors.util.durations import parseDuration

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?:,|(?=\s)|$)')
_PRINCIPAL = re.compile(r'[^*?!"\ufffd\x00-\x1f\x7f]+')  # names are compared as they stand
_BARE = re.compile(r"[\w@.-]+\s+AAAA")
"""The start of a key of an unknown type: each blob begins with the length of its type's name."""
_FORMER = {"max-open": "max-open-for"}
"""Earlier names of options, which are still read."""
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """
    A key that may knock.

    @ivar blob: the SSH public key blob.
    @ivar comment: the name of its owner, as the file has it.
    @ivar sources: the addresses from which it may knock, and for which it may open; L{None} for
        all.
    @ivar expires: the time of day at which it expires; L{None} for never.
    @ivar doors: the doors that it may open; L{None} for all.
    @ivar maxOpenFor: the longest time for which it may open, in seconds; 0 if only the door has a
        limit.
    @ivar hasPrefix: whether it opens for networks, at doors that allow that.
    @ivar isForOthers: whether it may ask to open for other addresses than the one it knocks from.
    @ivar isAuthority: whether it does not knock, but certifies the keys that may.
    @ivar principals: the names of which a certificate must have one.
    @ivar takesAnyPrincipal: whether a certificate may have any names instead.
    """

    key: Key = field(repr=False)
    blob: bytes = field(repr=False)
    comment: str = ""
    sources: AddressPatterns | None = None
    expires: float | None = None
    doors: frozenset[str] | None = None
    maxOpenFor: float = 0.0
    hasPrefix: bool = False
    isForOthers: bool = False
    isAuthority: bool = False
    principals: frozenset[str] = frozenset()
    takesAnyPrincipal: bool = False

    @property
    def who(self) -> Principal:
        """The owner of the key."""
        return Principal(self.comment, fingerprint(self.blob))

    @property
    def authority(self) -> bytes:
        """The public key blob of the authority that certified it; empty if it has its own line."""
        return b""

    def __str__(self) -> str:
        return str(self.who)

    def findRefusal(self, door: str, source: str, today: float) -> str:
        """Return why the key may not open a door from an address now; empty if it may."""
        if expired := self.findExpiry(today):
            return expired
        if self.doors is not None and door not in self.doors:
            return f"the key of {self} is not for this door"
        if self.sources is not None and not self.sources.match(source):
            return f"the key of {self} may not knock from here (from=)"
        return ""

    def findExpiry(self, today: float) -> str:
        """Return that it has expired; an empty string if it has not."""
        if self.expires is None or today < self.expires:
            return ""
        when = datetime.fromtimestamp(self.expires)
        return f"the key of {self} expired {when:%Y-%m-%d %H:%M}"

    def findIdleness(self, doors: Collection[str], today: float) -> str:
        """Return why it opens none of some doors, wherever it knocks from; empty if it may."""
        if self.doors is not None and self.doors.isdisjoint(doors):
            names = ", ".join(sorted(self.doors))
            return f"the key of {self} is only for doors that do not use this file: {names}"
        return self.findExpiry(today)

    def findSealFlaw(self, signature: bytes) -> str:
        """Return what a good seal of this key lacks; empty if nothing."""
        return ""

    def findRevoked(self, revocations: Revocations) -> str:
        """Return what of it is revoked, see L{Revocations.findRevoked}."""
        return revocations.findRevoked(self.blob)

    def mayOpenFor(self, source: Source) -> bool:
        """Return whether it may open for an address, or for all addresses of a network."""
        return self.sources is None or self.sources.covers(source)


def parseLine(line: str) -> AuthorizedKey:
    """
    Read one line.

    @raise BadValue: it has no key that may knock.
    """
    options, rest = splitOptions(line)
    _checkOnce(options)
    kind, blob, comment = [*rest.split(None, 2), "", "", ""][:3]
    if not kind:
        raise BadValue("it has no key: use a line from one of ssh-keygen's .pub files")
    if kind in certificateTypes():
        raise BadValue(
            "it is a certificate: add the key of its authority instead, as "
            'cert-authority,principals="NAME,..." KEY'
        )
    if kind not in _typeNames():
        raise BadValue(f"{kind[:40]!r} is not a type of key: use one of {', '.join(_typeNames())}")
    try:
        data = b64decode(blob, validate=True)
    except (Base64Error, ValueError):
        raise BadValue("it is not an SSH public key") from None
    key = loadKey(data)
    if key.sshType().decode() != kind:
        raise BadValue(f"it is labelled {kind}, but is {key.sshType().decode()}")
    fields = dict(_read(name, value) for name, value in options)
    found = AuthorizedKey(key, data, comment.strip(), **fields)
    _checkAuthority(found)
    return found


def _checkAuthority(key: AuthorizedKey) -> None:
    """Check that it is clear which certificates a key may make."""
    if key.principals and key.takesAnyPrincipal:
        raise BadValue("principals= and any-principal contradict each other: remove one")
    names = bool(key.principals) or key.takesAnyPrincipal
    if names and not key.isAuthority:
        raise BadValue("principals= and any-principal are about certificates: add cert-authority")
    if key.isAuthority and not names:
        raise BadValue(
            "a cert-authority needs principals=, since sshd would compare a certificate's names "
            'with the user who logs in, and a knock has none: add principals="NAME,..." for the '
            "certificates with one of these names, or any-principal for all of this authority"
        )


def _isKeyType(word: str) -> bool:
    return word in _typeNames() or word in certificateTypes()


def _typeNames() -> list[str]:
    return [name.decode() for name in ALGORITHMS]


def splitOptions(line: str) -> tuple[list[tuple[str, str]], str]:
    """
    Split off the options in front of a key, each with its name in small letters and its value, from
    the rest.

    @raise BadValue: they cannot be read.
    """
    options: list[tuple[str, str]] = []
    if _isKeyType(line.split()[0]) or _BARE.match(line):
        return options, line
    at = 0
    while match := _OPTION.match(line, at):
        name = match["name"].lower()
        value = (match["value"] or "").replace('\\"', '"')
        options.append((_FORMER.get(name, name), value))
        at = match.end()
        if not match[0].endswith(","):
            return options, line[at:]
    raise BadValue('its options cannot be read: write them like from="10.0.0.0/8",doors="ssh"')


def _checkOnce(options: Iterable[tuple[str, str]]) -> None:
    names = [name for name, _ in options]
    for name in names:
        if names.count(name) > 1:
            raise BadValue(f"the option {name} is given twice")


def _read(name: str, value: str) -> tuple[str, Any]:
    if name not in _READERS:
        raise BadValue(f"unknown option {name}: use {', '.join(_READERS)}")
    attribute, read = _READERS[name]
    try:
        return attribute, read(value)
    except BadValue as error:
        raise error.at(f"{name}=") from error


def _parseExpiry(text: str) -> float:
    """Read a time of C{expiry-time}: C{YYYYMMDD[HHMM[SS]]}, local, or in UTC if it ends with Z."""
    digits = text.removesuffix("Z")
    try:
        when = datetime.strptime(digits, _TIMES[len(digits)])
        seconds = (when.replace(tzinfo=UTC) if text.endswith("Z") else when).timestamp()
        datetime.fromtimestamp(seconds)  # messages will show it, so check that they can
    except (KeyError, ValueError, OverflowError):
        raise BadValue(
            f"{text!r} is not a time: write it like 20271231 or 202712312359, with a Z for UTC"
        ) from None
    return seconds


def _parseNames(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (name.strip() for name in text.split(","))))
    if not names:
        raise BadValue("it names no door")
    return names


def _parsePrincipals(text: str) -> frozenset[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not _PRINCIPAL.fullmatch(name):
            raise BadValue(
                f"{name!r} is not the name of a principal, or would not mean what it seems to: "
                'write whole names, like "anna,staff"'
            )
    return frozenset(names)


def _parseFlag(text: str) -> bool:
    if text:
        raise BadValue("it takes no value")
    return True


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "from": ("sources", AddressPatterns.parse),
    "expiry-time": ("expires", _parseExpiry),
    "doors": ("doors", _parseNames),
    "max-open-for": ("maxOpenFor", parseDuration),
    "prefix": ("hasPrefix", _parseFlag),
    "for-others": ("isForOthers", _parseFlag),
    "cert-authority": ("isAuthority", _parseFlag),
    "principals": ("principals", _parsePrincipals),
    "any-principal": ("takesAnyPrincipal", _parseFlag),
}
