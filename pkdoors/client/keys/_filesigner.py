"""
A private key from a file, which signs. Pure.

This loads cryptography, and as little of it as it can: what a kind of key needs is loaded with it.
"""

from base64 import b64decode
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from pkdoors.client.keys._formats import (
    DAMAGED,
    NotReadable,
    PassphraseNeeded,
    isEncrypted,
    isOpenSSH,
    parseHeader,
)
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.seal import NAMESPACE, frameMessage
from pkdoors.knocks.wire import ALGORITHMS, checkPublicBlob, joinStrings, kindOf, packNumber

_CIPHERS = (b"none", b"aes256-ctr", b"aes256-cbc", b"aes256-gcm@openssh.com")
"""The ciphers of OpenSSH's own format that cryptography can decrypt."""
_CURVES: dict[bytes, type[hashes.HashAlgorithm]] = {
    b"ecdsa-sha2-nistp256": hashes.SHA256,
    b"ecdsa-sha2-nistp384": hashes.SHA384,
    b"ecdsa-sha2-nistp521": hashes.SHA512,
}
"""The hashes of RFC 5656."""


class FileSigner(NamedTuple):
    """A private key. See L{Signer}."""

    key: Any
    publicKey: bytes
    certificate: Certificate | None = None
    asksAgent: bool = False

    @property
    def needsTouch(self) -> bool:
        """It is only a file."""
        return False

    async def sign(self, message: bytes, namespace: bytes = NAMESPACE) -> bytes:
        """See L{Signer.sign}."""
        kind, data = kindOf(self.publicKey), frameMessage(message, namespace)
        if kind == b"ssh-rsa":
            inner = _signRSA(self.key, data)
        elif kind in _CURVES:
            inner = _signECDSA(self.key, data, _CURVES[kind]())
        else:
            inner = self.key.sign(data)
        return joinStrings(ALGORITHMS[kind][0], inner)

    def __repr__(self) -> str:  # of its own: the key must not get into a log
        return f"FileSigner(certificate={self.certificate!r})"


def _signRSA(key: Any, data: bytes) -> bytes:
    """
    Return a signature, after a check: if a damaged file's key makes a wrong one, that gives others
    the private key.

    @raise KnockError: it is wrong.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    try:
        signature = bytes(key.sign(data, PKCS1v15(), hashes.SHA512()))
        key.public_key().verify(signature, data, PKCS1v15(), hashes.SHA512())
    except (InvalidSignature, ValueError) as error:
        raise KnockError(f"the RSA key does not sign: {DAMAGED}") from error
    return signature


def _signECDSA(key: Any, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    numbers = decode_dss_signature(key.sign(data, ECDSA(algorithm)))
    return joinStrings(*map(packNumber, numbers))


def parsePrivateKey(data: bytes, passphrase: bytes | None = None) -> FileSigner:
    """
    Return what signs with a private key file, in OpenSSH's own format or PEM.

    @raise PassphraseNeeded: the key is encrypted.
    @raise NotReadable: cryptography does not know its format.
    @raise BadValue: the passphrase is wrong, the file is not a private key, or the daemon does not
        accept this kind of key.
    """
    shown = parseHeader(data) if isOpenSSH(data) else None
    if shown:
        _checkCipher(shown.cipher)
    if passphrase is None and isEncrypted(data):
        raise PassphraseNeeded("it is encrypted")
    if passphrase == b"":  # no key is encrypted with it, and the parsers take it for no passphrase
        raise BadValue("the passphrase is wrong")
    try:
        load = load_ssh_private_key if shown else load_pem_private_key
        # To check that the primes of an RSA key are primes takes 100 ms; L{_signRSA} checks more.
        key: Any = load(data.strip(), passphrase, unsafe_skip_rsa_key_validation=True)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except UnsupportedAlgorithm as error:
        raise NotReadable(DAMAGED) from error
    except Exception as error:  # cryptography passes on whatever its parsers raise
        raise BadValue(DAMAGED if passphrase is None else "the passphrase is wrong") from error
    blob = b64decode(public.split()[1])
    checkPublicBlob(blob)
    if shown and shown.blob != blob:  # cryptography does not always notice
        raise BadValue(DAMAGED)
    return FileSigner(key, blob)


def _checkCipher(cipher: bytes) -> None:
    if cipher not in _CIPHERS:
        raise NotReadable(
            f"it is encrypted with {cipher.decode(errors='replace')}, which is not supported: "
            "add it to the agent with ssh-add, or encrypt it again with "
            "ssh-keygen -p -Z aes256-ctr -f FILE"
        )
