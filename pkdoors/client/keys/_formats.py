"""The formats of SSH key files, as far as they need no cryptography. Pure."""

from base64 import b64decode
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.knocks.wire import checkPublicBlob, kindOf, splitNumber, splitStrings

DAMAGED = "it is damaged, or not a supported private key"
MAX_ROUNDS = 4096
"""The most rounds of C{ssh-keygen -a} to wait for: they take a minute, and the default is 24."""

_BEGIN, _BEGIN_OPENSSH = b"-----BEGIN ", b"-----BEGIN OPENSSH PRIVATE KEY-----"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"
"""How PEM files show that they are encrypted: in their first line, or in their second."""
_MAGIC = b"openssh-key-v1\0"
_LENGTH = 4  # bytes of a number


class PassphraseNeeded(BadValue):
    """The private key is encrypted, and no passphrase was given."""


class NotReadable(BadValue):
    """The private key may be good, but cryptography cannot read it, or is not installed."""


class Header(NamedTuple):
    """
    What a private key file in OpenSSH's own format shows without its passphrase.

    @ivar cipher: what it is encrypted with; C{none} for nothing.
    @ivar blob: the public key blob.
    """

    cipher: bytes
    blob: bytes


def isPrivate(data: bytes) -> bool:
    """Return whether a file holds a private key; otherwise it should hold a public one."""
    return data.lstrip().startswith(_BEGIN)


def isEncrypted(data: bytes) -> bool:
    """
    Return whether a private key file is encrypted.

    @raise BadValue: the file is malformed.
    """
    if isOpenSSH(data):
        return parseHeader(data).cipher != b"none"
    first, _, rest = data.lstrip().partition(b"\n")
    return first.startswith(_ENCRYPTED[0]) or rest.startswith(_ENCRYPTED[1])


def parsePublicBlob(data: bytes) -> bytes:
    """
    Return the public key blob of a public key file, C{TYPE BASE64 COMMENT}.

    @raise BadValue: it is not such a file, or the daemon does not accept this kind of key.
    """
    try:
        kind, text = data.split(maxsplit=2)[:2]
        blob = b64decode(text, validate=True)
        isKey = kindOf(blob) == kind
    except ValueError as error:
        raise BadValue("it does not contain an SSH key") from error
    if not isKey:
        raise BadValue("it does not contain an SSH key")
    checkPublicBlob(blob)
    return blob


def findPublicBlob(data: bytes) -> bytes | None:
    """
    Return the public key blob that a private key file shows without its passphrase.

    @return: L{None} for a PEM file, which does not show it.
    @raise BadValue: the file is malformed, or the daemon does not accept this kind of key.
    """
    if not isOpenSSH(data):
        return None
    blob = parseHeader(data).blob
    checkPublicBlob(blob)
    return blob


def isOpenSSH(data: bytes) -> bool:
    """Return whether a file is in OpenSSH's own format, not PEM."""
    return data.lstrip().startswith(_BEGIN_OPENSSH)


def parseHeader(data: bytes) -> Header:
    """
    Read the beginning of a file in OpenSSH's own format, as in OpenSSH's C{PROTOCOL.key}.

    @raise BadValue: it is malformed, or would take very long to decrypt.
    """
    try:
        raw = b64decode(b"".join(data.strip().splitlines()[1:-1]))
        if not raw.startswith(_MAGIC):
            raise ValueError(_MAGIC)
        cipher, kdf, options, rest = splitStrings(raw[len(_MAGIC) :], 3)
        count, rest = splitNumber(rest, _LENGTH)
        blob = splitStrings(rest, 1)[0]
        rounds = splitNumber(splitStrings(options, 1)[1], _LENGTH)[0] if kdf == b"bcrypt" else 0
    except ValueError as error:
        raise BadValue(DAMAGED) from error
    if count != 1:
        raise BadValue(DAMAGED)
    if rounds > MAX_ROUNDS:
        raise BadValue(
            f"it is encrypted with {rounds} rounds, which take too long ({MAX_ROUNDS} are "
            f"allowed): add it to the agent with ssh-add, or use fewer rounds (ssh-keygen -p -a 64)"
        )
    return Header(cipher, blob)
