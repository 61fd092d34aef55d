"""What is in the files of SSH keys. Pure."""

from base64 import b64decode

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.keys import EncryptedKeyError, Key

from pkdoors.errors import BadValue
from pkdoors.knocks.signatures import checkKey, loadKey

_BEGIN, _BEGIN_OPENSSH = b"-----BEGIN ", b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_CIPHERS = (b"none", b"aes128-ctr", b"aes192-ctr", b"aes256-ctr")
"""Those of OpenSSH's own format that conch can decrypt; ssh-keygen takes the last."""


class PassphraseNeeded(BadValue):
    """The private key is encrypted, and there was no passphrase."""


def isPrivate(data: bytes) -> bool:
    """Whether a file holds a private key; otherwise it should be a public one."""
    return data.lstrip().startswith(_BEGIN)


def parsePublicBlob(data: bytes) -> bytes:
    """
    The public key blob of a public key file, C{TYPE BASE64 COMMENT}.

    @raise BadValue: it is none, or of a kind that is not taken.
    """
    try:
        kind, text = data.split(maxsplit=2)[:2]
        blob = b64decode(text, validate=True)
        isKey = getNS(blob)[0] == kind
    except Exception as error:  # of base64, or of conch's parser
        raise BadValue("it holds no SSH key") from error
    if not isKey:
        raise BadValue("it holds no SSH key")
    loadKey(blob)
    return blob


def findPublicBlob(data: bytes) -> bytes | None:
    """
    The public key blob that a private key file tells without its passphrase.

    @return: L{None} for a PEM file, which tells nothing.
    @raise BadValue: it is of a kind that is not taken, or malformed.
    """
    if not _isOpenSSH(data):
        return None
    blob = _parseHeader(data)[1]
    loadKey(blob)
    return blob


def parsePrivateKey(data: bytes, passphrase: bytes | None = None) -> Key:
    """
    The key of a private key file, in OpenSSH's own format or PEM.

    @raise PassphraseNeeded: it is encrypted.
    @raise BadValue: the passphrase is wrong, it is no private key, or of a kind that is not taken.
    """
    try:
        key = _decode(data, passphrase)
        key.sshType()  # of a curve that SSH does not know it is an error
    except BadValue:
        raise
    except Exception as error:  # conch lets through what its parsers stumble over
        if passphrase is None:
            raise BadValue("it is damaged, or no private key that is understood") from error
        raise BadValue("the passphrase is wrong") from error
    checkKey(key)
    return key


def _decode(data: bytes, passphrase: bytes | None) -> Key:
    if passphrase == b"":  # as which none is encrypted; the parsers take it for no passphrase
        raise BadValue("the passphrase is wrong")
    try:
        if _isOpenSSH(data):
            _checkCipher(_parseHeader(data)[0])
            key: Key = Key.fromString(data.strip(), passphrase=passphrase)
            return key
        return Key(load_pem_private_key(data.strip(), passphrase))
    except (EncryptedKeyError, TypeError) as error:
        if passphrase is None:
            raise PassphraseNeeded("it is encrypted") from error
        raise


def _isOpenSSH(data: bytes) -> bool:
    return data.lstrip().startswith(_BEGIN_OPENSSH)


def _checkCipher(cipher: bytes) -> None:
    if cipher not in _CIPHERS:
        raise BadValue(
            f"it is encrypted with {cipher.decode(errors='replace')}, which is not understood: "
            "give it to the agent with ssh-add, or encrypt it anew with "
            "ssh-keygen -p -Z aes256-ctr -f FILE"
        )


def _parseHeader(data: bytes) -> tuple[bytes, bytes]:
    """The cipher and the public key blob, of OpenSSH's C{PROTOCOL.key}."""
    try:
        raw = b64decode(b"".join(data.strip().splitlines()[1:-1]))
        if not raw.startswith(_MAGIC):
            raise ValueError
        cipher, _, _, rest = getNS(raw[len(_MAGIC) :], 3)
        blob, _ = getNS(rest[4:])  # after the number of keys, which is one
    except Exception as error:
        raise BadValue("it is damaged, or no private key that is understood") from error
    return cipher, blob
