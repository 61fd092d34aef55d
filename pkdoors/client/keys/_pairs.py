"""The two halves of a key, from the file that the user names and the one beside it."""

from typing import NamedTuple

from pkdoors.client.keys._certificates import ENDING, parseCertificateFile
from pkdoors.client.keys._formats import findPublicBlob, isPrivate, parsePublicBlob
from pkdoors.errors import BadValue
from pkdoors.files.userfiles import readFile
from pkdoors.knocks.certificates import Certificate


class KeyPair(NamedTuple):
    """
    @ivar path: of the private key's file; without one, of the public key's.
    @ivar secret: the private key's file, perhaps encrypted; empty if there is none.
    @ivar blob: the public key; L{None} if it cannot be read without the passphrase.
    @ivar certificate: a certificate of the key.
    @ivar isCertificateAsked: whether the user named the certificate's file.
    """

    path: str
    secret: bytes
    blob: bytes | None
    certificate: Certificate | None = None
    isCertificateAsked: bool = False

    @property
    def needsAgent(self) -> bool:
        """Whether only the agent can sign with the key, because the files lack its private half."""
        return self.blob is not None and not self.secret

    def __repr__(self) -> str:  # of its own: the key must not get into a log
        return f"<KeyPair of {self.path!r}>"


def readKeyPair(path: str) -> KeyPair:
    """
    Read the file that a path names, and what belongs to it: the public key and the certificate
    beside a private key, the private key beside a certificate.

    @raise BadValue: there is no key, the daemon does not accept its kind, or other users can read
        or change it.
    """
    found = readFile(path)
    if found:
        found.checkOwner()
    asked = None if found is None or isPrivate(found.data) else parseCertificateFile(found.data)
    if asked is not None:
        return _readCertified(path, asked)
    if found and isPrivate(found.data):
        secret = found.secret()
        blob = findPublicBlob(secret) or _readBlob(f"{path}.pub")
        return KeyPair(path, secret, blob, _readCertificate(path))
    if found:
        return KeyPair(path, b"", parsePublicBlob(found.data))
    beside = readFile(f"{path}.pub")
    if beside is None:
        raise BadValue("no such file")
    beside.checkOwner()
    return KeyPair(f"{path}.pub", b"", parsePublicBlob(beside.data))


def _readCertified(path: str, certificate: Certificate) -> KeyPair:
    """Return the key of a certificate that the user named."""
    private = path.removesuffix(ENDING)
    found = readFile(private) if path.endswith(ENDING) else None
    if found and isPrivate(found.data):
        found.checkOwner()
        return KeyPair(private, found.secret(), certificate.key, certificate, True)
    return KeyPair(path, b"", certificate.key, certificate, True)


def _readCertificate(path: str) -> Certificate | None:
    """Return the certificate beside a private key; a damaged one does not count, as for ssh."""
    try:
        beside = readFile(path + ENDING)
        return parseCertificateFile(beside.data) if beside else None
    except BadValue:
        return None


def _readBlob(path: str) -> bytes | None:
    """Return the public key in a file if it is good; the private key works without it."""
    try:
        beside = readFile(path)
        return parsePublicBlob(beside.data) if beside else None
    except BadValue:
        return None
