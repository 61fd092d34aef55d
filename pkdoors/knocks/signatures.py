"""
SSH signatures: whether one is good. Pure.

Twisted's conch knows the keys. This module adds the frame that a security key puts around the data
that it signs (OpenSSH's C{PROTOCOL.u2f}), and refuses SHA-1 and malformed signatures.
"""

from hashlib import sha256
from typing import Any

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.signatureforms import USER_PRESENT, checkNumbers
from pkdoors.knocks.wire import ALGORITHMS, SK_TRAILER, Malformed, checkKind, checkRSA, splitStrings


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
    checkKind(key.sshType())
    if key.type() == "RSA":
        checkRSA(key.size(), key.data()["e"])


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
            checkNumbers(inner)
        if key.isSecurityKey():
            data, rest = _frame(key, rest, data)
        return not rest and bool(key.verify(NS(algorithm) + NS(inner), data))
    except Exception:  # conch raises various errors for malformed signatures
        return False


def isIssued(certificate: Certificate, authority: Key) -> bool:
    """Return whether an authority has signed a certificate. This is costly."""
    return bool(authority.blob() == certificate.authority) and isGood(
        authority, certificate.signature, certificate.signed
    )


def _frame(key: Any, trailer: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return the data that a security key signs, and the rest after its trailer."""
    flags, rest = trailer[0], trailer[SK_TRAILER:]
    if len(trailer) < SK_TRAILER or not flags & USER_PRESENT:
        raise Malformed("not touched")
    application = key.application
    if isinstance(application, str):
        application = application.encode()
    return (
        sha256(application).digest() + trailer[:SK_TRAILER] + sha256(data).digest(),
        rest,
    )
