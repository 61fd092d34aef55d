"""The signatures that C{ssh-keygen -Y sign} writes, OpenSSH's C{PROTOCOL.sshsig}. Pure."""

from base64 import b64decode
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.knocks.seal import HASH, NAMESPACE, SSHSIG
from pkdoors.knocks.wire import splitNumber, splitStrings

BEGIN, END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_VERSION, _NUMBER = 1, 4  # the only version there is; bytes of a number


class FileSignature(NamedTuple):
    """
    A signature of OpenSSH's format.

    @ivar publicKey: the blob of the key that says to have made it.
    @ivar signature: the signature blob.
    """

    publicKey: bytes
    signature: bytes


def parseFileSignature(armoured: bytes, namespace: bytes = NAMESPACE) -> FileSignature:
    """
    Read a signature.

    @param namespace: what it must be made for.

    @raise BadValue: it is not one. Nothing else is raised, whatever the bytes.
    """
    lines = armoured.strip().splitlines()
    if not lines or (lines[0].strip(), lines[-1].strip()) != (BEGIN, END):
        raise BadValue("its output is not a signature")
    try:
        raw = b64decode(b"".join(line.strip() for line in lines[1:-1]), validate=True)
        if not raw.startswith(SSHSIG):
            raise ValueError(SSHSIG)
        version, rest = splitNumber(raw[len(SSHSIG) :], _NUMBER)
        key, purpose, reserved, algorithm, signature, rest = splitStrings(rest, 5)
    except ValueError as error:
        raise BadValue("its output is not a signature") from error
    if rest or reserved or version != _VERSION:
        raise BadValue("its output is a signature of a format that is not known")
    if (purpose, algorithm) != (namespace, HASH):
        raise BadValue("its output is a signature for another purpose, or with another hash")
    return FileSignature(key, signature)
