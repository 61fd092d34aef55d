"""The two halves of a key, from the file that the user names and the one beside it."""

from dataclasses import dataclass, field

from pkdoors.client.keys._formats import findPublicBlob, isPrivate, parsePublicBlob
from pkdoors.errors import BadValue
from pkdoors.files.userfiles import Contents, readFile
from pkdoors.knocks.signatures import loadKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """
    @ivar secret: the private key's file, perhaps encrypted; empty if there is none.
    @ivar blob: the public key; L{None} if it cannot be read without the passphrase.
    """

    secret: bytes = field(repr=False)
    blob: bytes | None

    @property
    def needsAgent(self) -> bool:
        """Whether only the agent can sign with the key, because the files lack its private half."""
        return self.blob is not None and (not self.secret or loadKey(self.blob).isSecurityKey())


def readKeyPair(path: str) -> KeyPair:
    """
    Read the file that a path names, and the public key beside a private one.

    @raise BadValue: there is no key, the daemon does not accept its kind, or other users can read
        it.
    """
    found, beside = readFile(path), readFile(f"{path}.pub")
    if found and isPrivate(found.data):
        secret = found.secret()
        return KeyPair(secret, findPublicBlob(secret) or _readBlob(beside))
    public = found or beside
    if public is None:
        raise BadValue("no such file")
    return KeyPair(b"", parsePublicBlob(public.data))


def _readBlob(beside: Contents | None) -> bytes | None:
    """Return the public key if it is good; the private key works without it."""
    try:
        return parsePublicBlob(beside.data) if beside else None
    except BadValue:
        return None
