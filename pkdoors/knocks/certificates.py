"""
SSH certificates: what an authority says of a key, and whether it has said so. Pure.

OpenSSH's C{PROTOCOL.certkeys} defines the format. The parser is our own, since cryptography's
leaves out what a knock needs: the application of a security key, and the signatures of authorities
that are security keys. It reads strings only, so that bytes of a stranger cost nearly nothing until
the authority's signature is checked.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.knocks.signatureforms import isWellFormed
from pkdoors.knocks.wire import ALGORITHMS, KINDS, Malformed, joinStrings, splitNumber, splitStrings

USER = 1
"""The type of a certificate for users; 2 is for hosts."""
FOREVER = 2**64 - 1
"""As an end: the certificate never expires."""
MAX_PRINCIPALS = 256
"""The most principals of one certificate, the same as in OpenSSH."""

SUFFIX = b"-cert-v01@openssh.com"
_TYPES = {
    name.removesuffix(b"@openssh.com") + SUFFIX: (name, kind.strings)
    for name, kind in KINDS.items()
}
"""Type of a certificate -> the type of its key, and the number of strings of that."""
_MOMENT = 8  # bytes of a time, and of a serial number
_UNFIT = re.compile(r"[^A-Za-z0-9 @._+/:=-]+")  # fit are names, addresses, and what CAs put in
_MAX_SHOWN = 64  # letters of a key id that are shown


class Certificate(NamedTuple):
    """
    A certificate. Nothing of it is true until L{pkdoors.knocks.signatures.isIssued}.

    @ivar blob: all of it.
    @ivar key: the SSH public key blob of the key that it certifies.
    @ivar rawKeyId: the name that the authority gave it.
    @ivar principals: the names that its owner may use.
    @ivar after: it is valid from this time on, in seconds since 1970.
    @ivar before: it is valid until just before this time.
    @ivar options: its critical options, which whoever accepts it must honour.
    @ivar authority: the SSH public key blob of the authority that it names.
    @ivar signed: what the authority has signed.
    @ivar signature: the SSH signature blob over that.
    """

    blob: bytes
    key: bytes
    serial: int
    kind: int
    rawKeyId: bytes
    principals: frozenset[str]
    after: int
    before: int
    options: dict[bytes, bytes]
    authority: bytes
    signed: bytes
    signature: bytes

    @property
    def keyId(self) -> str:
        """The name that the authority gave it, as it is shown."""
        return _UNFIT.sub("_", self.rawKeyId.decode(errors="replace"))[:_MAX_SHOWN]

    def __str__(self) -> str:
        return f"{self.keyId or 'a certificate without a name'}, serial {self.serial}"

    def __repr__(self) -> str:
        return f"<Certificate {self}>"

    def findFlaw(self, today: float) -> str:
        """
        Return why nobody may use it at a time of day, for a log; empty if its owner may.
        """
        if self.kind != USER:
            return "is not for users, but for a host"
        if not self.principals:
            return "has no principals, so it is for nobody"
        if self.after >= self.before:
            return "is never valid"
        if today < self.after:
            return f"is not valid before {describeMoment(self.after)}"
        if today >= self.before:
            return f"expired {describeMoment(self.before)}"
        return ""


def isCertificate(blob: bytes) -> bool:
    """Return whether a blob begins as a certificate of a kind that is accepted."""
    try:
        return splitStrings(blob, 1)[0] in _TYPES
    except Malformed:
        return False


def certificateTypes() -> list[str]:
    """Return the names of the types of certificates."""
    return [name.decode() for name in _TYPES]


def parseCertificate(blob: bytes) -> Certificate:
    """
    Read a certificate. Its signature is not checked, nor whether its key is one.

    @raise BadValue: it is not a certificate. Nothing else is raised.
    """
    try:
        return _parse(blob)
    except ValueError as error:  # Malformed, or text that is not UTF-8
        raise BadValue("it is not an SSH certificate, or is damaged") from error


def _parse(blob: bytes) -> Certificate:
    name, _nonce, rest = splitStrings(blob, 2)
    if name not in _TYPES:
        raise Malformed("another type")
    kind, number = _TYPES[name]
    *parts, rest = splitStrings(rest, number)
    serial, rest = splitNumber(rest, _MOMENT)
    purpose, rest = splitNumber(rest, 4)
    keyId, names, rest = splitStrings(rest, 2)
    after, rest = splitNumber(rest, _MOMENT)
    before, rest = splitNumber(rest, _MOMENT)
    options, extensions, _reserved, authority, rest = splitStrings(rest, 4)
    signed = blob[: len(blob) - len(rest)]
    signature, rest = splitStrings(rest, 1)
    if rest or not isWellFormed(signature):
        raise Malformed("not signed")
    if splitStrings(authority, 1)[0] not in ALGORITHMS:
        raise Malformed("signed by something that is not a plain key")
    _parseOptions(extensions)  # ignored, but they must be whole
    return Certificate(
        blob=blob,
        key=joinStrings(kind, *parts),
        serial=serial,
        kind=purpose,
        rawKeyId=_checkText(keyId),
        principals=_parsePrincipals(names),
        after=after,
        before=before,
        options=_parseOptions(options),
        authority=authority,
        signed=signed,
        signature=signature,
    )


def _splitAll(data: bytes) -> Iterator[bytes]:
    """Yield all the strings of a list."""
    while data:
        found, data = splitStrings(data, 1)
        yield found


def _checkText(text: bytes) -> bytes:
    """Return a text, which like in OpenSSH must not contain null bytes."""
    if b"\0" in text:
        raise Malformed("a null byte")
    return text


def _parsePrincipals(data: bytes) -> frozenset[str]:
    names = [_checkText(name).decode() for name in _splitAll(data)]
    if len(names) > MAX_PRINCIPALS:
        raise Malformed("too many principals")
    return frozenset(names)


def _parseOptions(data: bytes) -> dict[bytes, bytes]:
    """Return the names and values of a list that is in order and names nothing twice."""
    found: dict[bytes, bytes] = {}
    items = [*_splitAll(data)]
    if len(items) % 2:
        raise Malformed("an option without a value")
    for name, packed in zip(items[::2], items[1::2], strict=True):
        if found and name <= max(found):
            raise Malformed("not in order")
        value, rest = splitStrings(packed, 1) if packed else (b"", b"")
        if rest:
            raise Malformed("something follows a value")
        found[name] = value
    return found


def describeMoment(seconds: int) -> str:
    """Return a time as it is shown; certificates can name times in any millennium."""
    try:
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "the distant future"
