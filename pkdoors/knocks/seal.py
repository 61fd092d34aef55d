"""
Sealed knocks: a statement, and an SSH signature over it. Pure.

::

    datagram  = statement || signature
              | statement || string certificate || signature
    statement = "pkdoors1 " door " " seconds " " stamp " " nonce " " hint " " bind "\\n"
    signature = the SSH signature blob (string algorithm, string signature ...) of the SSHSIG
                structure with the namespace "knock@pkdoors" and the hash "sha512", over
                statement || the door's ports, comma-separated, and a newline
                || with a certificate, its SHA-256 in hex digits, and a newline

OpenSSH's C{PROTOCOL.sshsig} defines SSHSIG; C{ssh-keygen -Y sign} makes such signatures. The
sequence is signed but not sent, so a knock for one server is worthless on another.
"""

import re
from os import urandom
from typing import NamedTuple

from pkdoors.errors import PkdoorsError
from pkdoors.knocks.digests import sha256, sha512
from pkdoors.knocks.wire import joinStrings
from pkdoors.model.addresses import canonicalize
from pkdoors.model.sequence import Sequence

PREFIX = b"pkdoors1 "
"""The version. All sealed knocks begin with it."""
NAMESPACE = b"knock@pkdoors"
"""The namespace of SSHSIG. A signature made for anything else, such as a file, opens no door."""
SSHSIG, HASH = b"SSHSIG", b"sha512"
"""The beginning of SSHSIG, and the hash that it names."""
MAX_STATEMENT = 200
"""Bytes. The longest door, time and IPv6 address take L{LONGEST_STATEMENT}."""
LONGEST_STATEMENT = 137
"""Bytes of the longest statement that a client makes."""
MAX_SIGNATURE = 1100
"""Bytes. An RSA key of 8192 bits, the longest that is accepted, makes 1048."""
MAX_CERTIFIED = 1232
"""Bytes of a whole datagram with a certificate: so many fit into one IPv6 packet on every path, and
the datagram is never cut into fragments, which many firewalls drop."""
MAX_ALGORITHM = 64
"""Bytes. The names of signature algorithms are shorter, and certificates are longer."""
MAX_NAME = 32
"""Letters of the longest name of a door."""
NONCE_DIGITS, TAG_DIGITS, HINT_DIGITS = 16, 6, 8
EPOCH = 3_600_000
"""Milliseconds for which a key keeps its tag. Whoever sees two knocks of the same hour can tell
that they have the same key, but not which."""
CLOSE = "close"
"""A word in place of the seconds: end the sender's own opening now."""

_LENGTH = 4  # bytes of the length of an SSH string
_STATEMENT = re.compile(
    rb"pkdoors1 (?P<door>[a-z][a-z0-9_-]{0,31}) (?P<seconds>close|0|[1-9][0-9]{0,8}) "
    rb"(?P<stamp>[1-9][0-9]{0,14}) (?P<nonce>[0-9a-f]{16}) (?P<hint>[0-9a-f]{8}) "
    rb"(?P<bind>\*|[0-9a-f.:]{2,45})\n"
)


class SealError(PkdoorsError):
    """A datagram that looks like a sealed knock is not one. The message says why, for the log."""


class Statement(NamedTuple):
    """
    The statement of a sealed knock.

    @ivar seconds: the time asked for; 0 for the door's own.
    @ivar close: whether it asks to close instead; then C{seconds} is 0.
    @ivar stamp: the sender's time of day, in milliseconds since 1970.
    @ivar nonce: 16 hex digits, see L{makeNonce}.
    @ivar hint: finds the key without revealing it, see L{hintOf}; of a certificate, the key of its
        authority.
    @ivar bind: the address that the sender will be seen from, the address that it asks to open for
        instead, or C{"*"}.
    """

    door: str
    seconds: int
    stamp: int
    nonce: str
    hint: str
    bind: str = "*"
    close: bool = False

    def encode(self) -> bytes:
        """Return the statement as it is signed and sent."""
        seconds = CLOSE if self.close else self.seconds
        text = f"{self.door} {seconds} {self.stamp} {self.nonce} {self.hint} {self.bind}\n"
        return PREFIX + text.encode("ascii")


class Sealed(NamedTuple):
    """
    A datagram in the form of a sealed knock. Its seal is not checked yet.

    @ivar text: the statement as it was sent.
    @ivar signature: the SSH signature blob.
    @ivar certificate: the certificate of the key that made the signature; empty without one.
    """

    statement: Statement
    text: bytes
    signature: bytes
    certificate: bytes = b""


def makeBeginning(door: str) -> bytes:
    """Return the beginning of all sealed knocks for a door."""
    return PREFIX + door.encode() + b" "


def findDoor(datagram: bytes) -> bytes:
    """
    Return the name of the door in a datagram that begins with L{PREFIX}, without reading the rest;
    empty if it has none.
    """
    start = len(PREFIX)
    end = datagram.find(b" ", start, start + MAX_NAME + 1)
    return datagram[start:end] if end > 0 else b""


def parseSealed(datagram: bytes) -> Sealed:
    """
    Read a datagram that begins with L{PREFIX}.

    @raise SealError: it is not a sealed knock. Nothing else is raised, whatever the datagram.
    """
    end = datagram.find(b"\n", 0, MAX_STATEMENT) + 1
    match = _STATEMENT.fullmatch(datagram[:end]) if end else None
    if match is None:
        raise SealError("its statement is malformed")
    certificate, signature = _splitCertificate(datagram[end:])
    if not 0 < len(signature) <= MAX_SIGNATURE:
        raise SealError(f"its signature has {len(signature)} bytes instead of 1 to {MAX_SIGNATURE}")
    if certificate and len(datagram) > MAX_CERTIFIED:
        raise SealError(
            f"with its certificate it has {len(datagram)} bytes, {MAX_CERTIFIED} are allowed"
        )
    door, seconds, stamp, nonce, hint, bind = (field.decode("ascii") for field in match.groups())
    if bind != "*" and not _isCanonical(bind):
        raise SealError(f"it is bound to {bind!r}, which is not an address in its usual notation")
    asked = 0 if seconds == CLOSE else int(seconds)
    statement = Statement(door, asked, int(stamp), nonce, hint, bind, seconds == CLOSE)
    return Sealed(statement, datagram[:end], signature, certificate)


def _splitCertificate(rest: bytes) -> tuple[bytes, bytes]:
    """Return the certificate in front of a signature, if there is one, and the signature."""
    length = int.from_bytes(rest[:_LENGTH])
    if length <= MAX_ALGORITHM or len(rest) <= _LENGTH + length:
        return b"", rest
    return rest[_LENGTH : _LENGTH + length], rest[_LENGTH + length :]


def packCertificate(certificate: bytes) -> bytes:
    """Return a certificate as it stands in front of a signature; nothing for none."""
    return joinStrings(certificate) if certificate else b""


def packSealed(sealed: Sealed) -> bytes:
    """Return the datagram of a sealed knock: the inverse of L{parseSealed}."""
    return sealed.text + packCertificate(sealed.certificate) + sealed.signature


def _isCanonical(text: str) -> bool:
    try:
        return canonicalize(text) == text
    except ValueError:
        return False


def hintOf(publicKey: bytes, nonce: str) -> str:
    """
    Return the hint of a key: eight hex digits.

    @param publicKey: the SSH public key blob.
    """
    return sha256(publicKey + nonce.encode("ascii")).hexdigest()[:HINT_DIGITS]


def epochOf(stamp: int) -> int:
    """Return the number of the hour to which a stamp belongs."""
    return stamp // EPOCH


def tagOf(publicKey: bytes, epoch: int) -> str:
    """
    Return the tag of a key for one hour: six hex digits. The daemon keeps an index of the tags of
    all its keys. A hint is different in each knock, so no index can find it.
    """
    return sha256(b"%b %d" % (publicKey, epoch)).hexdigest()[:TAG_DIGITS]


def makeNonce(publicKey: bytes, stamp: int) -> str:
    """
    Return a new nonce: the key's tag, and ten random hex digits. A nonce of random digits alone is
    as good, but costs the daemon more if it has very many keys.
    """
    return tagOf(publicKey, epochOf(stamp)) + urandom((NONCE_DIGITS - TAG_DIGITS) // 2).hex()


def makeMessage(text: bytes, sequence: Sequence, certificate: bytes = b"") -> bytes:
    """
    Return the message that is sealed: the statement, the door's ports in order, and the hash of the
    certificate, so that nobody can send the seal with another one.
    """
    ports = ",".join(map(str, sequence.ports)).encode("ascii")
    end = sha256(certificate).hexdigest().encode("ascii") + b"\n" if certificate else b""
    return text + ports + b"\n" + end


def frameMessage(message: bytes, namespace: bytes = NAMESPACE) -> bytes:
    """Return the bytes that an SSH key signs for a message: SSHSIG around its hash."""
    return SSHSIG + joinStrings(namespace, b"", HASH, sha512(message).digest())


def makeSignedData(text: bytes, sequence: Sequence, certificate: bytes = b"") -> bytes:
    """Return the bytes that the SSH key signs: the SSHSIG structure of L{makeMessage}."""
    return frameMessage(makeMessage(text, sequence, certificate))
