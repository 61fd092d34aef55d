"""
Seals orders for a fleet, and reads and writes them as text, which people can pass on. Pure.

The text is the order itself and below it the signature as C{ssh-keygen -Y sign -n order@pkdoors}
makes it, so OpenSSH alone can make such an order, and can verify one.
"""

from base64 import b64encode
from collections.abc import Collection

from pkdoors.client.core.methods import Signer
from pkdoors.client.keys._sshsig import BEGIN, END, parseFileSignature
from pkdoors.errors import BadValue, KnockError, PkdoorsError
from pkdoors.knocks.order import NAMESPACE, Order, packOrder, parseOrder
from pkdoors.knocks.seal import HASH, SSHSIG
from pkdoors.knocks.wire import fingerprint, joinStrings

MAX_TEXT = 16_384
"""Bytes of an order as text. The longest key and signature take a sixth of that."""

_VERSION = b"\0\0\0\1"  # of SSHSIG
_WIDTH = 70  # of the lines of a signature, as ssh-keygen has them
_WRONG = (
    "it is not a signed order: it must have the order in its first line, and the signature below, "
    "as `pkdoors fleet close --print` writes them"
)


def chooseSigner(found: Collection[Signer], operators: Collection[bytes] | None) -> Signer:
    """
    Return the key that signs an order.

    @param found: the user's keys.
    @param operators: the blobs of the keys that may give orders; L{None} if nobody knows them here.
    @raise KnockError: none of the keys is one of them, or it is unknown which is meant.
    """
    keys = {signer.publicKey: signer for signer in found if not signer.certificate}
    for signer in found:
        keys.setdefault(signer.publicKey, signer)
    if operators is None:
        if len(keys) == 1:
            return next(iter(keys.values()))
        names = ", ".join(map(fingerprint, keys))
        raise KnockError(
            f"there are {len(keys)} keys ({names}), and this host does not know the fleet's "
            "operators: choose one with --identity FILE, for which a public key is enough"
        )
    able = [signer for blob, signer in keys.items() if blob in operators]
    if not able:
        names = ", ".join(map(fingerprint, keys))
        raise KnockError(
            f"none of your keys is an operator of the fleet ({names}): use --identity FILE, or "
            "sign the order on the host that has the operator's key, with --print"
        )
    return min(able, key=lambda signer: signer.needsTouch)


async def sealOrder(order: Order, signer: Signer) -> bytes:
    """
    Return a sealed order, as it is stored.

    @raise KnockError: the key does not sign.
    """
    text = order.encode()
    return packOrder(text, signer.publicKey, await signer.sign(text, NAMESPACE))


def writeOrder(sealed: bytes, publicKey: bytes) -> str:
    """
    Return a sealed order as text.

    @param publicKey: the blob of the key that made the signature.
    """
    order = parseOrder(sealed)
    parts = joinStrings(publicKey, NAMESPACE, b"", HASH, order.signature)
    body = b64encode(SSHSIG + _VERSION + parts).decode()
    lines = [body[start : start + _WIDTH] for start in range(0, len(body), _WIDTH)]
    text = order.text.decode().rstrip("\n")
    return "\n".join((text, BEGIN.decode(), *lines, END.decode(), ""))


def readOrder(text: bytes) -> bytes:
    """
    Return the sealed order that a text holds. Blank lines, and blanks around a line, do not matter:
    somebody may have passed it on by mail.

    @raise BadValue: there is none. Nothing else is raised, whatever the text.
    """
    lines = [line for line in map(bytes.strip, text.splitlines()) if line]
    if len(text) > MAX_TEXT or not lines:
        raise BadValue(_WRONG)
    try:
        found = parseFileSignature(b"\n".join(lines[1:]), NAMESPACE)
        sealed = packOrder(lines[0] + b"\n", found.publicKey, found.signature)
        parseOrder(sealed)
    except PkdoorsError as error:
        raise BadValue(_WRONG) from error
    return sealed
