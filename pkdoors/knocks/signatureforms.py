"""
The form of SSH signatures: whether some key can have made one. Pure.

Compared with a full check this is almost free, so a malformed signature never waits for one.
L{pkdoors.knocks.signatures} says whether a signature is good.
"""

from collections.abc import Callable
from functools import partial

from pkdoors.knocks.wire import (
    ALGORITHMS,
    MAX_RSA_BITS,
    MIN_RSA_BITS,
    SK_TRAILER,
    Malformed,
    kindOf,
    packNumber,
    splitStrings,
)

USER_PRESENT = 0x01
"""A flag of security keys: the key was touched."""
USER_VERIFIED = 0x04
"""Likewise: it also asked for its PIN, or looked at a finger."""

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


def isWellFormed(signature: bytes) -> bool:
    """Return whether some key can have made a signature blob."""
    try:
        algorithm, inner, rest = splitStrings(signature, 2)
        _FORMS[algorithm](inner, rest)
    except (Malformed, KeyError):
        return False
    return True


def fitsKey(key: bytes, signature: bytes) -> bool:
    """
    Return whether a signature blob can be one of a key, as far as their forms tell.

    @param key: a public key blob that passes L{pkdoors.knocks.wire.checkPublicBlob}.
    """
    return isWellFormed(signature) and kindOf(signature) in ALGORITHMS[kindOf(key)]


def isVerified(signature: bytes) -> bool:
    """
    Return whether a security key says in a good signature that it has verified its user.
    """
    algorithm, _, trailer = splitStrings(signature, 2)
    return algorithm.startswith(b"sk-") and bool(trailer[0] & USER_VERIFIED)


def checkNumbers(inner: bytes) -> None:
    """Check that the two numbers of an ECDSA signature are encoded as RFC 4251 demands."""
    *numbers, rest = splitStrings(inner, 2)
    for number in numbers:
        if number != packNumber(int.from_bytes(number)):
            raise Malformed("not canonical")
    if rest:
        raise Malformed("too long")


def _checkECDSA(order: int, inner: bytes, rest: bytes) -> None:
    checkNumbers(inner)
    *numbers, _ = splitStrings(inner, 2)
    if rest or not all(0 < int.from_bytes(number, signed=True) < order for number in numbers):
        raise Malformed("not in range")


def _checkEd25519(inner: bytes, rest: bytes) -> None:
    number = int.from_bytes(inner[_HALF:], "little")
    if rest or len(inner) != 2 * _HALF or number >= _ED25519_ORDER:
        raise Malformed("not in range")


def _checkRSA(inner: bytes, rest: bytes) -> None:
    if rest or not MIN_RSA_BITS <= 8 * len(inner) <= MAX_RSA_BITS:
        raise Malformed("too short or too long")


def _withTouch(check: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], None]:
    """Return the check for a security key, whose trailer must say that the key was touched."""

    def checkBoth(inner: bytes, rest: bytes) -> None:
        if len(rest) != SK_TRAILER or not rest[0] & USER_PRESENT:
            raise Malformed("not touched")
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
