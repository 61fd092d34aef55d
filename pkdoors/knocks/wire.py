"""
SSH keys as bytes: strings, kinds of keys, and the form of public keys. Pure.

This needs only the standard library, so the client can look at keys without loading cryptography.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.knocks.digests import sha256

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""Shorter RSA keys can be broken. The signatures of longer ones take long to check, and do not fit
into a datagram."""
MAX_RSA_EXPONENT = 64
"""Bits. With a longer one, checking a signature takes long; all programs make 17 bits."""
ALGORITHMS = {
    b"ssh-ed25519": (b"ssh-ed25519",),
    b"ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
    b"ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
    b"ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
    b"ssh-rsa": (b"rsa-sha2-512", b"rsa-sha2-256"),
    b"sk-ssh-ed25519@openssh.com": (b"sk-ssh-ed25519@openssh.com",),
    b"sk-ecdsa-sha2-nistp256@openssh.com": (b"sk-ecdsa-sha2-nistp256@openssh.com",),
}
"""Type of a key -> the algorithms that it may sign with, the best first. No SHA-1, no DSA."""


SK_TRAILER = 5
"""Bytes of a security key's flags and counter, after the signature."""

_LENGTH = 4  # bytes of the length of an SSH string
_UNCOMPRESSED = b"\x04"  # the first byte of a point with both numbers; SSH knows no other
_DSA = b"ssh-dss"


class Malformed(ValueError):
    """Some bytes are not what the SSH protocol demands. The message is half a sentence."""


class Kind(NamedTuple):
    """
    A kind of keys, as public key blobs show it.

    @ivar strings: how many strings follow the name of the type in a public key.
    @ivar bits: the size of a point's numbers; 0 for RSA, whose keys have all sizes.
    """

    strings: int
    bits: int


KINDS = {
    b"ssh-ed25519": Kind(1, 256),
    b"ecdsa-sha2-nistp256": Kind(2, 256),
    b"ecdsa-sha2-nistp384": Kind(2, 384),
    b"ecdsa-sha2-nistp521": Kind(2, 521),
    b"ssh-rsa": Kind(2, 0),
    b"sk-ssh-ed25519@openssh.com": Kind(2, 256),
    b"sk-ecdsa-sha2-nistp256@openssh.com": Kind(3, 256),
}
"""Type of a key -> its kind."""


def splitStrings(data: bytes, count: int) -> list[bytes]:
    """
    Split off so many SSH strings, and return them with the rest. Unlike conch's function, this
    refuses a length that is too large: it would give one signature several encodings.

    @raise Malformed: the data ends too early.
    """
    found = []
    for _ in range(count):
        end = _LENGTH + int.from_bytes(data[:_LENGTH])
        if len(data) < end:
            raise Malformed("cut off")
        found.append(data[_LENGTH:end])
        data = data[end:]
    return [*found, data]


def splitNumber(data: bytes, size: int) -> tuple[int, bytes]:
    """
    Split off a number of so many bytes, and return it with the rest.

    @raise Malformed: the data ends too early.
    """
    if len(data) < size:
        raise Malformed("cut off")
    return int.from_bytes(data[:size]), data[size:]


def joinStrings(*strings: bytes) -> bytes:
    """Return SSH strings, RFC 4251: of each its length, then its bytes."""
    return b"".join(len(string).to_bytes(_LENGTH) + string for string in strings)


def packNumber(number: int) -> bytes:
    """Return the bytes of a number that is not negative, as short as RFC 4251 demands."""
    return number.to_bytes(number.bit_length() // 8 + 1) if number else b""


def kindOf(blob: bytes) -> bytes:
    """
    Return the type of a key or a certificate, as it says itself.

    @raise Malformed: the blob is too short for one.
    """
    return splitStrings(blob, 1)[0]


def isSecurityKey(blob: bytes) -> bool:
    """Return whether a public key blob is that of a security key."""
    return kindOf(blob).startswith(b"sk-")


def checkPublicBlob(blob: bytes) -> None:
    """
    Check that an SSH public key blob is one of an accepted kind, as far as its form shows. Whether
    the point of an ECDSA key is on its curve, only L{pkdoors.knocks.signatures.loadKey} checks.

    @raise BadValue: it is not. Nothing else is raised, whatever the blob.
    """
    try:
        kind, rest = splitStrings(blob, 1)
        if kind == _DSA:
            checkKind(kind)
        *strings, rest = splitStrings(rest, KINDS[kind].strings)
        _CHECKS[kind](KINDS[kind], *strings)
    except (KeyError, Malformed) as error:
        raise BadValue("it is not an SSH public key") from error
    if rest:
        raise BadValue("it is not an SSH public key: something follows it")


def checkKind(kind: bytes) -> None:
    """
    Check that keys of a type are accepted.

    @raise BadValue: they are not.
    """
    if kind not in ALGORITHMS:
        raise BadValue(
            f"{kind.decode(errors='replace')} keys are not accepted: "
            "use ed25519 (ssh-keygen -t ed25519)"
        )


def checkRSA(bits: int, exponent: int) -> None:
    """
    Check the size and the exponent of an RSA key.

    @raise BadValue: it is not accepted.
    """
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise BadValue(
            f"an RSA key of {bits} bits is not accepted: "
            f"use {MIN_RSA_BITS} to {MAX_RSA_BITS}, or ed25519"
        )
    if exponent.bit_length() > MAX_RSA_EXPONENT:
        raise BadValue("an RSA key with so large an exponent is not accepted: use ed25519")


def _checkEd25519(kind: Kind, key: bytes, application: bytes = b"") -> None:
    if len(key) != kind.bits // 8:
        raise Malformed("not a point")


def _checkECDSA(kind: Kind, curve: bytes, point: bytes, application: bytes = b"") -> None:
    size = (kind.bits + 7) // 8
    if curve != b"nistp%d" % kind.bits:
        raise Malformed("another curve")
    if len(point) != 1 + 2 * size or not point.startswith(_UNCOMPRESSED):
        raise Malformed("not a point")


def _checkRSA(kind: Kind, first: bytes, second: bytes) -> None:
    exponent, modulus = int.from_bytes(first), int.from_bytes(second)
    if (first, second) != (packNumber(exponent), packNumber(modulus)):
        raise Malformed("not canonical")
    if not 3 <= exponent < modulus or exponent % 2 == 0:
        raise Malformed("not in range")
    checkRSA(modulus.bit_length(), exponent)


def longestSignature(blob: bytes) -> int:
    """Return the most bytes that a signature blob has whose key passes L{checkPublicBlob}."""
    name, rest = splitStrings(blob, 1)
    bits = KINDS[name].bits
    if name == b"ssh-rsa":
        inner = (int.from_bytes(splitStrings(rest, 2)[1]).bit_length() + 7) // 8
    elif b"ecdsa" in name:
        inner = 2 * (_LENGTH + bits // 8 + 1)  # a number can begin with a null byte, or P-521's bit
    else:
        inner = 2 * bits // 8
    trailer = SK_TRAILER if isSecurityKey(blob) else 0
    return len(joinStrings(ALGORITHMS[name][0])) + _LENGTH + inner + trailer


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key as OpenSSH writes it, C{SHA256:...}."""
    return "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")


_CHECKS: dict[bytes, Callable[..., None]] = {
    name: _checkRSA if name == b"ssh-rsa" else _checkECDSA if b"ecdsa" in name else _checkEd25519
    for name in KINDS
}
"""Type of a key -> a function that raises an error if the strings of a public key are malformed."""
