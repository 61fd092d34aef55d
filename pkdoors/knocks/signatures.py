"""
SSH signatures: which keys and algorithms are taken, and whether a signature is good. Pure.

Twisted's conch knows the keys. What it lacks is the frame that a security key puts around what it
signs (OpenSSH's C{PROTOCOL.u2f}), and the refusal of what is malformed or of SHA-1.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from twisted.conch.ssh.common import MP, NS
from twisted.conch.ssh.keys import BadKeyError, Key

from pkdoors.errors import BadValue

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""Shorter ones can be broken; longer ones take long to check, and do not fit into a datagram."""
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

_USER_PRESENT = 0x01  # of the flags of a security key: it was touched
_LENGTH = 4  # bytes of the length of an SSH string
_SK_TRAILER = 5  # flags and counter, after its signature
_HALF = 32  # bytes of an Ed25519 signature's point, and of its number

# The orders of the groups, which the numbers of a signature are below: RFC 8032, FIPS 186-4.
_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384_ORDER = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)
_P521_ORDER = int(
    "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    16,
)


def loadKey(blob: bytes) -> Key:
    """
    The key of an SSH public key blob.

    @raise BadValue: it is none, or of a kind that is not taken.
    """
    try:
        key: Key = Key.fromString(blob, type="blob")
    except Exception as error:  # conch lets through what its parsers stumble over
        raise BadValue("it is no SSH public key") from error
    if key.blob() != blob:
        raise BadValue("it is no SSH public key: something follows it")
    checkKey(key)
    return key


def checkKey(key: Key) -> None:
    """
    See that a key is of a kind that is taken.

    @raise BadValue: it is not.
    """
    kind = key.sshType()
    if kind not in ALGORITHMS:
        raise BadValue(
            f"{kind.decode(errors='replace')} keys are not taken: "
            "use ed25519 (ssh-keygen -t ed25519)"
        )
    if kind == b"ssh-rsa" and not MIN_RSA_BITS <= key.size() <= MAX_RSA_BITS:
        raise BadValue(
            f"an RSA key of {key.size()} bits is not taken: "
            f"use {MIN_RSA_BITS} to {MAX_RSA_BITS}, or ed25519"
        )


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key as OpenSSH writes it, C{SHA256:...}."""
    return "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")


def isWellFormed(signature: bytes) -> bool:
    """
    Return whether some key can have made a signature blob. This costs hardly anything beside a
    check, so whatever is not well-formed never waits for one.
    """
    try:
        algorithm, inner, rest = _strings(signature, 2)
        _FORMS[algorithm](inner, rest)
    except (BadKeyError, KeyError, IndexError):
        return False
    return True


def isGood(key: Key, signature: bytes, data: bytes) -> bool:
    """
    Whether a signature blob is one of a key over some data.

    Nothing is raised, whatever the signature; what follows it makes it bad.
    """
    try:
        algorithm, inner, rest = _strings(signature, 2)
        if algorithm not in ALGORITHMS[key.sshType()]:
            return False
        if key.type() == "EC":
            _checkNumbers(inner)
        if key.isSecurityKey():
            data, rest = _framed(key, rest, data)
        return not rest and bool(key.verify(NS(algorithm) + NS(inner), data))
    except Exception:  # conch stumbles over what is malformed
        return False


def _strings(data: bytes, count: int) -> list[bytes]:
    """
    So many SSH strings, and what follows them. Not conch's own: that takes a length that is too
    great, and so more than one writing of the same signature.
    """
    found = []
    for _ in range(count):
        length = int.from_bytes(data[:_LENGTH])
        if len(data) < _LENGTH + length:
            raise BadKeyError("cut off")
        found.append(data[_LENGTH : _LENGTH + length])
        data = data[_LENGTH + length :]
    return [*found, data]


def _checkNumbers(inner: bytes) -> None:
    """See that the two numbers of an ECDSA signature are written as RFC 4251 wants it."""
    *numbers, rest = _strings(inner, 2)
    for each in numbers:
        if each != MP(int.from_bytes(each))[_LENGTH:]:
            raise BadKeyError("not canonical")
    if rest:
        raise BadKeyError("too long")


def _checkECDSA(order: int, inner: bytes, rest: bytes) -> None:
    _checkNumbers(inner)
    *numbers, _ = _strings(inner, 2)
    if rest or not all(0 < int.from_bytes(each, signed=True) < order for each in numbers):
        raise BadKeyError("not in range")


def _checkEd25519(inner: bytes, rest: bytes) -> None:
    number = int.from_bytes(inner[_HALF:], "little")
    if rest or len(inner) != 2 * _HALF or number >= _ED25519_ORDER:
        raise BadKeyError("not in range")


def _checkRSA(inner: bytes, rest: bytes) -> None:
    if rest or not MIN_RSA_BITS <= 8 * len(inner) <= MAX_RSA_BITS:
        raise BadKeyError("too short or too long")


def _touched(check: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], None]:
    """The same for a security key, whose trailer says that it was touched."""

    def checkBoth(inner: bytes, rest: bytes) -> None:
        if len(rest) != _SK_TRAILER or not rest[0] & _USER_PRESENT:
            raise BadKeyError("not touched")
        check(inner, b"")

    return checkBoth


_FORMS: dict[bytes, Callable[[bytes, bytes], None]] = {
    b"ssh-ed25519": _checkEd25519,
    b"ecdsa-sha2-nistp256": partial(_checkECDSA, _P256_ORDER),
    b"ecdsa-sha2-nistp384": partial(_checkECDSA, _P384_ORDER),
    b"ecdsa-sha2-nistp521": partial(_checkECDSA, _P521_ORDER),
    b"rsa-sha2-512": _checkRSA,
    b"rsa-sha2-256": _checkRSA,
    b"sk-ssh-ed25519@openssh.com": _touched(_checkEd25519),
    b"sk-ecdsa-sha2-nistp256@openssh.com": _touched(partial(_checkECDSA, _P256_ORDER)),
}
"""Algorithm -> raises if a signature and what follows it are not as the algorithm makes them."""


def _framed(key: Any, trailer: bytes, data: bytes) -> tuple[bytes, bytes]:
    """What a security key signs, and what is left after its signature."""
    flags, rest = trailer[0], trailer[_SK_TRAILER:]
    if len(trailer) < _SK_TRAILER or not flags & _USER_PRESENT:
        raise BadKeyError("not touched")
    application = key.application
    if isinstance(application, str):
        application = application.encode()
    return (
        sha256(application).digest() + trailer[:_SK_TRAILER] + sha256(data).digest(),
        rest,
    )
