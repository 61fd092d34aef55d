"""
SSH signatures: which keys and algorithms are accepted, and whether a signature is good. Pure.

Twisted's conch knows the keys. This module adds the frame that a security key puts around the data
that it signs (OpenSSH's C{PROTOCOL.u2f}), and refuses SHA-1 and malformed signatures.
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

_USER_PRESENT = 0x01  # a flag of security keys: the key was touched
_USER_VERIFIED = 0x04  # likewise: it also asked for its PIN, or looked at a finger
_LENGTH = 4  # bytes of the length of an SSH string
_SK_TRAILER = 5  # bytes of a security key's flags and counter, after the signature
_HALF = 32  # bytes of an Ed25519 signature's point, and of its number

# The orders of the groups. The numbers of a signature are smaller: RFC 8032, FIPS 186-4.
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
    Load the key of an SSH public key blob.

    @raise BadValue: it is not a key, or of a kind that is not accepted.
    """
    try:
        key: Key = Key.fromString(blob, type="blob")
    except Exception as error:  # conch passes on any error of its parsers
        raise BadValue("it is not an SSH public key") from error
    if key.blob() != blob:
        raise BadValue("it is not an SSH public key: something follows it")
    checkKey(key)
    return key


def checkKey(key: Key) -> None:
    """
    Check that a key is of an accepted kind.

    @raise BadValue: it is not.
    """
    kind = key.sshType()
    if kind not in ALGORITHMS:
        raise BadValue(
            f"{kind.decode(errors='replace')} keys are not accepted: "
            "use ed25519 (ssh-keygen -t ed25519)"
        )
    if kind == b"ssh-rsa" and not MIN_RSA_BITS <= key.size() <= MAX_RSA_BITS:
        raise BadValue(
            f"an RSA key of {key.size()} bits is not accepted: "
            f"use {MIN_RSA_BITS} to {MAX_RSA_BITS}, or ed25519"
        )
    if kind == b"ssh-rsa" and key.data()["e"].bit_length() > MAX_RSA_EXPONENT:
        raise BadValue("an RSA key with so large an exponent is not accepted: use ed25519")


def longestSignature(key: Key) -> int:
    """Return the most bytes that a signature blob of a key has."""
    algorithm = ALGORITHMS[key.sshType()][0]
    trailer = _SK_TRAILER if key.isSecurityKey() else 0
    bits: int = key.size()
    if key.type() == "RSA":
        inner = bits // 8
    elif key.type() == "EC":
        inner = 2 * (_LENGTH + bits // 8 + 1)  # a number can begin with a null byte, or P-521's bit
    else:
        inner = 2 * _HALF
    return _LENGTH + len(algorithm) + _LENGTH + inner + trailer


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key as OpenSSH writes it, C{SHA256:...}."""
    return "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")


def isWellFormed(signature: bytes) -> bool:
    """
    Return whether some key can have made a signature blob. Compared with a full check this is
    almost free, so a malformed signature never waits for one.
    """
    try:
        algorithm, inner, rest = splitStrings(signature, 2)
        _FORMS[algorithm](inner, rest)
    except (BadKeyError, KeyError, IndexError):
        return False
    return True


def isGood(key: Key, signature: bytes, data: bytes) -> bool:
    """
    Return whether a signature blob is a key's signature over some data.

    Nothing is raised, whatever the signature. Extra bytes after it make it bad.
    """
    try:
        algorithm, inner, rest = splitStrings(signature, 2)
        if algorithm not in ALGORITHMS[key.sshType()]:
            return False
        if key.type() == "EC":
            _checkNumbers(inner)
        if key.isSecurityKey():
            data, rest = _frame(key, rest, data)
        return not rest and bool(key.verify(NS(algorithm) + NS(inner), data))
    except Exception:  # conch raises various errors for malformed signatures
        return False


def isVerified(signature: bytes) -> bool:
    """
    Return whether a security key says in a good signature that it has verified its user.
    """
    algorithm, _, trailer = splitStrings(signature, 2)
    return algorithm.startswith(b"sk-") and bool(trailer[0] & _USER_VERIFIED)


def splitStrings(data: bytes, count: int) -> list[bytes]:
    """
    Split off so many SSH strings, and return them with the rest. Conch's own function accepts a
    length that is too large, and with it several encodings of the same signature.
    """
    found = []
    for _ in range(count):
        length = int.from_bytes(data[:_LENGTH])
        if len(data) < _LENGTH + length:
            raise BadKeyError("cut off")
        found.append(data[_LENGTH : _LENGTH + length])
        data = data[_LENGTH + length :]
    return [*found, data]


def splitNumber(data: bytes, size: int) -> tuple[int, bytes]:
    """Split off a number of so many bytes, and return it with the rest."""
    if len(data) < size:
        raise BadKeyError("cut off")
    return int.from_bytes(data[:size]), data[size:]


def _checkNumbers(inner: bytes) -> None:
    """Check that the two numbers of an ECDSA signature are encoded as RFC 4251 demands."""
    *numbers, rest = splitStrings(inner, 2)
    for number in numbers:
        if number != MP(int.from_bytes(number))[_LENGTH:]:
            raise BadKeyError("not canonical")
    if rest:
        raise BadKeyError("too long")


def _checkECDSA(order: int, inner: bytes, rest: bytes) -> None:
    _checkNumbers(inner)
    *numbers, _ = splitStrings(inner, 2)
    if rest or not all(0 < int.from_bytes(number, signed=True) < order for number in numbers):
        raise BadKeyError("not in range")


def _checkEd25519(inner: bytes, rest: bytes) -> None:
    number = int.from_bytes(inner[_HALF:], "little")
    if rest or len(inner) != 2 * _HALF or number >= _ED25519_ORDER:
        raise BadKeyError("not in range")


def _checkRSA(inner: bytes, rest: bytes) -> None:
    if rest or not MIN_RSA_BITS <= 8 * len(inner) <= MAX_RSA_BITS:
        raise BadKeyError("too short or too long")


def _withTouch(check: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], None]:
    """Return the check for a security key, whose trailer must say that the key was touched."""

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
    b"sk-ssh-ed25519@openssh.com": _withTouch(_checkEd25519),
    b"sk-ecdsa-sha2-nistp256@openssh.com": _withTouch(partial(_checkECDSA, _P256_ORDER)),
}
"""Algorithm -> a function that raises an error if a signature and its trailer are malformed."""


def _frame(key: Any, trailer: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return the data that a security key signs, and the rest after its trailer."""
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
