"""
Orders to all hosts of a fleet: a text, and an SSH signature over it. Pure.

::

    order     = text || hint || signature
    text      = "pkdoors-order1 " fleet " " verb " " what " " stamp " " nonce "\\n"
    hint      = of the key that signed, as in a knock, see L{hintOf}
    signature = the SSH signature blob of the SSHSIG structure with the namespace "order@pkdoors"
                and the hash "sha512", over the text

C{ssh-keygen -Y sign -n order@pkdoors} makes such signatures. The text names the fleet, so an order
to one fleet is worthless in another; the namespace is not that of knocks, so neither can stand for
the other. The hint is not signed: it only says which key to try, so a forged order costs one check,
however many operators there are.
"""

import re
from ipaddress import ip_network
from os import urandom
from typing import NamedTuple

from pkdoors.errors import PkdoorsError
from pkdoors.knocks.digests import sha256
from pkdoors.knocks.seal import HINT_DIGITS, MAX_SIGNATURE, frameMessage, hintOf
from pkdoors.model.addresses import canonicalize
from pkdoors.model.fleetnames import FLEET

PREFIX = b"pkdoors-order1 "
"""The version. All orders begin with it."""
NAMESPACE = b"order@pkdoors"
"""The namespace of SSHSIG. A signature for anything else, such as a knock, gives no order."""
CLOSE, BAN, UNBAN = "close", "ban", "unban"
VERBS = (CLOSE, BAN, UNBAN)
"""End what is open for an address, a network or everybody; revoke a key; take that back."""
EVERYBODY = "*"
"""In place of an address to close."""
MAX_TEXT = 200
"""Bytes of the text. The longest one takes 160."""
MAX_ORDER = MAX_TEXT + HINT_DIGITS + MAX_SIGNATURE
"""Bytes of a sealed order."""
NONCE_DIGITS = 16

_TEXT = re.compile(
    rb"pkdoors-order1 (?P<fleet>" + FLEET.encode() + rb") "
    rb"(?:(?P<close>close) (?P<source>\*|[0-9a-f.:]{2,45}(?:/[0-9]{1,3})?)|"
    rb"(?P<verb>ban|unban) (?P<key>SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])) "
    rb"(?P<stamp>[1-9][0-9]{0,14}) (?P<nonce>[0-9a-f]{16})\n"
)
"""The last letter of a fingerprint stands for four bits. If others were allowed, a ban could name a
key in a way in which no key is named."""

_HINT = re.compile(rb"[0-9a-f]{%d}" % HINT_DIGITS)


class OrderError(PkdoorsError):
    """Some bytes are not an order. The message says why."""


class Order(NamedTuple):
    """
    The text of an order.

    @ivar fleet: the name of the fleet.
    @ivar verb: one of L{VERBS}.
    @ivar what: to close, an address or a network in its usual notation, or L{EVERYBODY}; otherwise
        the fingerprint of a key as OpenSSH writes it, C{SHA256:...}.
    @ivar stamp: the sender's time of day, in milliseconds since 1970.
    @ivar nonce: 16 hex digits, random.
    """

    fleet: str
    verb: str
    what: str
    stamp: int
    nonce: str

    def encode(self) -> bytes:
        """Return the text as it is signed and sent."""
        fields = f"{self.fleet} {self.verb} {self.what} {self.stamp} {self.nonce}\n"
        return PREFIX + fields.encode("ascii")


class SealedOrder(NamedTuple):
    """
    Bytes in the form of an order. The signature is not checked yet.

    @ivar text: the text as it was sent.
    @ivar signature: the SSH signature blob.
    @ivar hint: of the key.
    """

    order: Order
    text: bytes
    signature: bytes
    hint: str = ""

    @property
    def digest(self) -> str:
        """A short name of the text, 32 hex digits; other signatures do not change it."""
        return sha256(self.text).hexdigest()[:32]


def parseOrder(data: bytes) -> SealedOrder:
    """
    Read an order.

    @raise OrderError: it is not one. Nothing else is raised, whatever the bytes.
    """
    end = data.find(b"\n", 0, MAX_TEXT) + 1
    match = _TEXT.fullmatch(data[:end]) if end else None
    if match is None:
        raise OrderError("its text is malformed")
    hint, signature = data[end : end + HINT_DIGITS], data[end + HINT_DIGITS :]
    if not _HINT.fullmatch(hint):
        raise OrderError("its hint is malformed")
    if not 0 < len(signature) <= MAX_SIGNATURE:
        raise OrderError(
            f"its signature has {len(signature)} bytes instead of 1 to {MAX_SIGNATURE}"
        )
    found = {name: text.decode("ascii") for name, text in match.groupdict(b"").items()}
    source, verb = found["source"], found["close"] or found["verb"]
    if source and not _isCanonical(source):
        raise OrderError(f"it is about {source!r}, which is not an address in its usual notation")
    order = Order(found["fleet"], verb, source or found["key"], int(found["stamp"]), found["nonce"])
    return SealedOrder(order, data[:end], signature, hint.decode("ascii"))


def packOrder(text: bytes, publicKey: bytes, signature: bytes) -> bytes:
    """
    Return a sealed order as it is stored.

    @param text: the text of the order, or anything else, which no host will obey.
    @param publicKey: the blob of the key that made the signature.
    """
    nonce = text.rstrip(b"\n").rpartition(b" ")[2].decode("ascii", "ignore")
    return text + hintOf(publicKey, nonce).encode("ascii") + signature


def _isCanonical(text: str) -> bool:
    """Return whether a text names whom to close for, and in just this way."""
    try:
        if "/" not in text:
            return text == EVERYBODY or canonicalize(text) == text
        network = ip_network(text)
    except ValueError:
        return False
    return str(network) == text and network.num_addresses > 1


def makeOrderNonce() -> str:
    """Return a new nonce."""
    return urandom(NONCE_DIGITS // 2).hex()


def makeOrderData(text: bytes) -> bytes:
    """Return the bytes that the SSH key signs: the SSHSIG structure of the text."""
    return frameMessage(text, NAMESPACE)
