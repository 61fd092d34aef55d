"""Makes sealed knocks, for tests: good ones, and such as attackers would."""

import os
import struct
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.common import MP, NS, getNS
from twisted.conch.ssh.keys import Key

from pkdoors.knocks.seal import Statement, hintOf, makeSignedData, packCertificate
from pkdoors.locks.sealed.replaynotes import NotesWriter
from pkdoors.model.knockports import KnockPort
from pkdoors.model.sequence import Sequence


def makeKey(kind: str = "ed25519") -> Key:
    """A new private key: C{ed25519}, C{rsa} with its bits after it, or C{ecdsa} likewise."""
    if kind == "ed25519":
        return Key(ed25519.Ed25519PrivateKey.generate())
    if kind.startswith("rsa"):
        return Key(rsa.generate_private_key(65537, int(kind[3:] or 2048)))
    curves = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "521": ec.SECP521R1()}
    return Key(ec.generate_private_key(curves[kind.removeprefix("ecdsa") or "256"]))


def publicLine(key: Key, comment: str = "anna@laptop") -> str:
    """Its line in a file of authorized keys."""
    line: bytes = key.public().toString("openssh", comment=comment.encode())
    return line.decode() + "\n"


def leaveNotes(path: Path) -> None:
    """Leave the notes of a daemon that saw no sealed knock for a long time, and has ended."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    writer, now = NotesWriter(), time.time()
    header = writer.header(now, "-", path.stat().st_ino, None)
    path.write_text(header + writer.end(now, isWhole=True))


def statement(key: Key, **fields: Any) -> Statement:
    """What a knock with a key says, now and without wishes."""
    nonce = fields.pop("nonce", os.urandom(8).hex())
    defaults: dict[str, Any] = {
        "door": "default",
        "seconds": 0,
        "stamp": int(time.time() * 1000),
    }
    if "hint" not in fields:
        defaults["hint"] = hintOf(key.public().blob(), nonce)
    return Statement(nonce=nonce, **(defaults | fields))


def sealed(key: Key, sequence: tuple[KnockPort, ...], **fields: Any) -> bytes:
    """A sealed knock; fields of the statement may be what they ought not to be."""
    text = statement(key, **fields).encode()
    best = key.supportedSignatureAlgorithms()[0]
    return text + key.sign(makeSignedData(text, Sequence(sequence)), best)


def certificate(
    authority: Any,
    key: Any,
    *,
    kind: int = 1,
    serial: int = 7,
    keyId: bytes = b"anna@work",
    principals: tuple[bytes, ...] = (b"anna", b"staff"),
    after: int = 0,
    before: int = 2**64 - 1,
    options: tuple[tuple[bytes, bytes | None], ...] = (),
    extensions: tuple[tuple[bytes, bytes | None], ...] = ((b"permit-pty", None),),
    signer: Any = None,
    algorithm: bytes | None = None,
) -> bytes:
    """
    A certificate; it may be what no authority would issue.

    @param key: the certified key, or its blob.
    @param signer: signs in place of the authority that the certificate names; or makes the
        signature of some data, if it can be called.
    """
    blob = key if isinstance(key, bytes) else key.public().blob()
    named = authority if isinstance(authority, bytes) else authority.public().blob()
    name, rest = getNS(blob)
    content = b"".join(
        (
            NS(name.removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"),
            NS(os.urandom(32)),
            rest,
            struct.pack("!QI", serial, kind),
            NS(keyId),
            NS(b"".join(map(NS, principals))),
            struct.pack("!QQ", after, before),
            NS(_packOptions(options)),
            NS(_packOptions(extensions)),
            NS(b""),
            NS(named),
        )
    )
    signer = signer or authority
    if isinstance(signer, SecurityKey):
        return bytes(content + NS(signer.sign(content)))
    best = algorithm or signer.supportedSignatureAlgorithms()[0]
    return bytes(content + NS(signer.sign(content, best)))


def _packOptions(options: tuple[tuple[bytes, bytes | None], ...]) -> bytes:
    return b"".join(NS(name) + NS(b"" if v is None else NS(v)) for name, v in options)


def sealedWith(
    certified: bytes, authority: bytes, key: Any, sequence: tuple[KnockPort, ...], **fields: Any
) -> bytes:
    """
    A knock that a key seals, with a certificate.

    @param authority: the public key of the authority, which the hint is made of.
    """
    nonce = fields.pop("nonce", os.urandom(8).hex())
    text = statement(key, nonce=nonce, **({"hint": hintOf(authority, nonce)} | fields)).encode()
    data = makeSignedData(text, Sequence(sequence), certified)
    best = () if isinstance(key, SecurityKey) else key.supportedSignatureAlgorithms()[:1]
    return bytes(text + packCertificate(certified) + key.sign(data, *best))


def withOtherNumber(datagram: bytes) -> bytes:
    """A copy of a knock sealed by an ECDSA key with P-256, with n - s in place of s."""
    end = datagram.index(b"\n") + 1
    name, inner, _ = getNS(datagram[end:], 2)
    first, second, _ = getNS(inner, 2)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = MP(order - int.from_bytes(second))
    return datagram[:end] + NS(name) + NS(NS(first) + other)


class SecurityKey:
    """
    What a security key does: it signs a frame around the data, and counts.

    @ivar blob: its public key.
    """

    def __init__(self, kind: str = "ed25519") -> None:
        self._key = makeKey(kind)
        self._application = b"ssh:"
        self._name = {
            "ed25519": b"sk-ssh-ed25519@openssh.com",
            "ecdsa": b"sk-ecdsa-sha2-nistp256@openssh.com",
        }[kind]
        rest = self._key.public().blob()
        length = struct.unpack_from("!I", rest)[0]
        self.blob = NS(self._name) + rest[4 + length :] + NS(self._application)

    def sign(self, data: bytes, flags: int = 1, counter: int = 7) -> bytes:
        """The signature blob over some data."""
        trailer = struct.pack("!BI", flags, counter)
        framed = sha256(self._application).digest() + trailer + sha256(data).digest()
        signature = self._key.sign(framed)
        length = struct.unpack_from("!I", signature)[0]
        return NS(self._name) + signature[4 + length :] + trailer
