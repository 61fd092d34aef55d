"""The two halves of a key, from the file that the user names and the one beside it."""

from dataclasses import dataclass, field

from pkdoors.client.keys._certificates import ENDING, parseCertificateFile
from pkdoors.client.keys._formats import findPublicBlob, isPrivate, parsePublicBlob
from pkdoors.errors import BadValue
from pkdoors.files.userfiles import Contents, readFile
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.wire import isSecurityKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """
    @ivar secret: the private key's file, perhaps encrypted; empty if there is none.
    @ivar blob: the public key; L{None} if it cannot be read without the passphrase.
    @ivar certificate: a certificate of the key.
    @ivar isCertificateAsked: whether the user named the certificate's file.
    """

    secret: bytes = field(repr=False)
    blob: bytes | None
    certificate: Certificate | None = None
    isCertificateAsked: bool = False

    @property
    def needsAgent(self) -> bool:
        """Whether only the agent can sign with the key, because the files lack its private half."""
        return self.blob is not None and (not self.secret or isSecurityKey(self.blob))


def readKeyPair(path: str) -> KeyPair:
    """
    Read the file that a path names, and what belongs to it: the public key and the certificate
    beside a private key, the private key beside a certificate.

    @raise BadValue: there is no key, the daemon does not accept its kind, or other users can read
        it.
    """
    found = readFile(path)
    asked = None if found is None or isPrivate(found.data) else parseCertificateFile(found.data)
    if asked is not None:
        return _readCertified(path, asked)
    beside = readFile(f"{path}.pub")
    if found and isPrivate(found.data):
        secret = found.secret()
        blob = findPublicBlob(secret) or _readBlob(beside)
        return KeyPair(secret, blob, _readCertificate(path))
    public = found or beside
    if public is None:
        raise BadValue("no such file")
    return KeyPair(b"", parsePublicBlob(public.data))


def _readCertified(path: str, certificate: Certificate) -> KeyPair:
    """Return the key of a certificate that the user named."""
    found = readFile(path.removesuffix(ENDING)) if path.endswith(ENDING) else None
    secret = found.secret() if found and isPrivate(found.data) else b""
    return KeyPair(secret, certificate.key, certificate, isCertificateAsked=True)


def _readCertificate(path: str) -> Certificate | None:
    """Return the certificate beside a private key; a damaged one is none, as for ssh."""
    try:
        beside = readFile(path + ENDING)
        return parseCertificateFile(beside.data) if beside else None
    except BadValue:
        return None


def _readBlob(beside: Contents | None) -> bytes | None:
    """Return the public key if it is good; the private key works without it."""
    try:
        return parsePublicBlob(beside.data) if beside else None
    except BadValue:
        return None
