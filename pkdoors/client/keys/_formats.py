"""The formats of SSH key files. Pure."""

from base64 import b64decode

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.keys import EncryptedKeyError, Key

from pkdoors.errors import BadValue
from pkdoors.knocks.signatures import checkKey
from pkdoors.knocks.wire import checkPublicBlob

_BEGIN, _BEGIN_OPENSSH = b"-----BEGIN ", b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_CIPHERS = (b"none", b"aes128-ctr", b"aes192-ctr", b"aes256-ctr")
"""The ciphers of OpenSSH's own format that conch can decrypt; ssh-keygen uses the last one."""


class PassphraseNeeded(BadValue):
    """The private key is encrypted, and no passphrase was given."""


def isPrivate(data: bytes) -> bool:
    """Return whether a file holds a private key; otherwise it should hold a public one."""
    return data.lstrip().startswith(_BEGIN)


def parsePublicBlob(data: bytes) -> bytes:
    """
    Return the public key blob of a public key file, C{TYPE BASE64 COMMENT}.

    @raise BadValue: it is not such a file, or the daemon does not accept this kind of key.
    """
    try:
        kind, text = data.split(maxsplit=2)[:2]
        blob = b64decode(text, validate=True)
        isKey = getNS(blob)[0] == kind
    except Exception as error:  # base64 and conch's parser raise many kinds
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
    if not _isOpenSSH(data):
        return None
    blob = _parseHeader(data)[1]
    checkPublicBlob(blob)
    return blob


def parsePrivateKey(data: bytes, passphrase: bytes | None = None) -> Key:
    """
    Return the key in a private key file, in OpenSSH's own format or PEM.

    @raise PassphraseNeeded: the key is encrypted.
    @raise BadValue: the passphrase is wrong, the file is not a private key, or the daemon does not
        accept this kind of key.
    """
    try:
        key = _decode(data, passphrase)
        key.sshType()  # raises if SSH does not know the curve
    except BadValue:
        raise
    except Exception as error:  # conch passes on whatever its parsers raise
        if passphrase is None:
            raise BadValue("it is damaged, or not a supported private key") from error
        raise BadValue("the passphrase is wrong") from error
    checkKey(key)
    return key


def _decode(data: bytes, passphrase: bytes | None) -> Key:
    if passphrase == b"":  # no key is encrypted with it, and the parsers take it for no passphrase
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
            f"it is encrypted with {cipher.decode(errors='replace')}, which is not supported: "
            "add it to the agent with ssh-add, or encrypt it again with "
            "ssh-keygen -p -Z aes256-ctr -f FILE"
        )


def _parseHeader(data: bytes) -> tuple[bytes, bytes]:
    """Return the cipher and the public key blob, as in OpenSSH's C{PROTOCOL.key}."""
    try:
        raw = b64decode(b"".join(data.strip().splitlines()[1:-1]))
        if not raw.startswith(_MAGIC):
            raise ValueError
        cipher, _, _, rest = getNS(raw[len(_MAGIC) :], 3)
        blob, _ = getNS(rest[4:])  # after the number of keys, which is one
    except Exception as error:
        raise BadValue("it is damaged, or not a supported private key") from error
    return cipher, blob
