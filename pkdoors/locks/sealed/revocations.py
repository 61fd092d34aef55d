"""
Keys and certificates that are revoked, as in sshd's C{RevokedKeys}: a list of public keys, or a key
revocation list (KRL) of C{ssh-keygen -k}; OpenSSH's C{PROTOCOL.krl}. Pure.

Whatever is not understood refuses the whole file, and then nobody may knock: a revocation that does
not count is worse than a closed door.
"""

import struct
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1, sha256

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate, isCertificate, parseCertificate
from pkdoors.knocks.wire import Malformed, splitNumber, splitStrings

MAGIC = b"SSHKRL\n\0"
"""A revocation list begins with it."""

_VERSION = 1
_CERTIFICATES, _KEYS, _SHA1, _SHA256, _EXTENSION = 1, 2, 3, 5, 255
_SERIALS, _RANGE, _BITMAP, _KEY_IDS, _MORE = 0x20, 0x21, 0x22, 0x23, 0x39
_LONG, _SHORT, _BYTE = 8, 4, 1  # bytes of the format's numbers
_ANY = b""  # in place of an authority: all of them


@dataclass(slots=True)
class _Issued:
    """Which certificates of an authority are revoked."""

    serials: set[int] = field(default_factory=set)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    bitmaps: list[tuple[int, bytes]] = field(default_factory=list)
    keyIds: set[bytes] = field(default_factory=set)

    def has(self, certificate: Certificate) -> bool:
        """
        Return whether a certificate is revoked. The serial number 0 stands for none, as in OpenSSH.
        """
        serial = certificate.serial
        if certificate.rawKeyId in self.keyIds:
            return True
        return serial != 0 and (
            serial in self.serials
            or any(first <= serial <= last for first, last in self.ranges)
            or any(_hasBit(bitmap, serial - offset) for offset, bitmap in self.bitmaps)
        )


@dataclass(slots=True)
class Revocations:
    """The contents of a file of revoked keys."""

    _blobs: set[bytes] = field(default_factory=set)
    _hashes: set[bytes] = field(default_factory=set)
    _issued: dict[bytes, _Issued] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many entries there are."""
        lists = self._issued.values()
        return (
            len(self._blobs)
            + len(self._hashes)
            + sum(len(x.serials) + len(x.ranges) + len(x.bitmaps) + len(x.keyIds) for x in lists)
        )

    def findRevoked(self, key: bytes, certificate: Certificate | None = None) -> str:
        """
        Return what of a key is revoked: C{"key"}, C{"authority"} or C{"certificate"}; empty if
        nothing is.

        @param certificate: the certificate that it knocks with.
        """
        if self._hasKey(key):
            return "key"
        if certificate is None:
            return ""
        if self._hasKey(certificate.authority):
            return "authority"
        lists = (self._issued.get(name) for name in (_ANY, certificate.authority))
        isRevoked = any(issued is not None and issued.has(certificate) for issued in lists)
        return "certificate" if isRevoked else ""

    def _hasKey(self, blob: bytes) -> bool:
        # A KRL may name keys by SHA-1. This finds what somebody revoked, and signs nothing.
        hashes = (sha1(blob, usedforsecurity=False).digest(), sha256(blob).digest())
        return blob in self._blobs or not self._hashes.isdisjoint(hashes)

    def addKey(self, blob: bytes) -> None:
        """Revoke a key."""
        self._blobs.add(blob)

    def addHash(self, digest: bytes, size: int) -> None:
        """Revoke a key by the hash of its blob."""
        if len(digest) != size:
            raise Malformed("not a hash")
        self._hashes.add(digest)

    def ofAuthority(self, blob: bytes) -> _Issued:
        """Return what is revoked of an authority's certificates, to add to it."""
        return self._issued.setdefault(blob, _Issued())


def parseRevocations(data: bytes) -> Revocations:
    """
    Read a file of revoked keys.

    @raise BadValue: a part of it cannot be read. Nothing else is raised.
    """
    found = Revocations()
    if not data.startswith(MAGIC):
        _readLines(data, found)
        return found
    try:
        _readList(data[len(MAGIC) :], found)
    except Malformed as error:
        raise BadValue(f"this key revocation list cannot be read: {error}") from error
    return found


def _readLines(data: bytes, found: Revocations) -> None:
    for number, line in enumerate(data.split(b"\n"), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            blob = b64decode(words[1], validate=True)
            isKey = splitStrings(blob, 1)[0] == words[0]
            found.addKey(parseCertificate(blob).key if isCertificate(blob) else blob)
        except (IndexError, ValueError, BadValue):
            isKey = False
        if not isKey:
            raise BadValue(f"line {number} is not an SSH public key")


def _readList(data: bytes, found: Revocations) -> None:
    version, rest = splitNumber(data, _SHORT)
    if version != _VERSION:
        raise Malformed(f"it has the version {version}")
    *_, rest = splitStrings(rest[3 * _LONG :], 2)  # version and date, flags, reserved, comment
    for kind, section in _splitSections(rest):
        if kind == _CERTIFICATES:
            _readCertificates(section, found)
        elif kind == _KEYS:
            for blob in _splitAll(section):
                found.addKey(blob)
        elif kind in (_SHA1, _SHA256):
            for digest in _splitAll(section):
                found.addHash(digest, 20 if kind == _SHA1 else 32)
        elif kind == _EXTENSION:
            _skipExtension(section)
        else:
            raise Malformed(f"it has a section of the unknown type {kind}")


def _readCertificates(data: bytes, found: Revocations) -> None:
    authority, _reserved, rest = splitStrings(data, 2)
    issued = found.ofAuthority(authority)
    for kind, section in _splitSections(rest):
        if kind == _SERIALS:
            issued.serials.update(_splitNumbers(section))
        elif kind == _RANGE:
            numbers = _splitNumbers(section)
            if len(numbers) != 2:
                raise Malformed("a range does not have two ends")
            issued.ranges.append((numbers[0], numbers[1]))
        elif kind == _BITMAP:
            offset, rest = splitNumber(section, _LONG)
            bitmap, end = splitStrings(rest, 1)
            if end:
                raise Malformed("something follows a bitmap")
            issued.bitmaps.append((offset, bitmap))
        elif kind == _KEY_IDS:
            issued.keyIds.update(_splitAll(section))
        elif kind == _MORE:
            _skipExtension(section)
        else:
            raise Malformed(f"it has an entry of the unknown type {kind:#x}")


def _splitSections(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, data = splitNumber(data, _BYTE)
        section, data = splitStrings(data, 1)
        yield kind, section


def _splitAll(data: bytes) -> Iterator[bytes]:
    """Yield the strings of a list. This does not copy the rest each time."""
    at = 0
    while at < len(data):
        start = at + _SHORT
        at = start + int.from_bytes(data[at:start])
        if at > len(data):
            raise Malformed("cut off")
        yield data[start:at]


def _splitNumbers(data: bytes) -> tuple[int, ...]:
    if len(data) % _LONG:
        raise Malformed("cut off")
    return struct.unpack(f">{len(data) // _LONG}Q", data)


def _skipExtension(data: bytes) -> None:
    """Ignore an extension that does not matter."""
    name, rest = splitStrings(data, 1)
    isCritical, rest = splitNumber(rest, _BYTE)
    _, rest = splitStrings(rest, 1)
    if isCritical or rest:
        raise Malformed(f"it has the unknown extension {name.decode(errors='replace')!r}")


def _hasBit(bitmap: bytes, number: int) -> bool:
    """Return whether a big-endian bitmap has a bit."""
    at = len(bitmap) - 1 - number // 8
    return number >= 0 and at >= 0 and bool(bitmap[at] >> number % 8 & 1)
