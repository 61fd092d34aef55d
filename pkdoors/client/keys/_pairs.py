"""The two halves of a key, from the file that is named and the one beside it."""

from dataclasses import dataclass, field

from pkdoors.client.keys._formats import findPublicBlob, isPrivate, parsePublicBlob
from pkdoors.errors import BadValue
from pkdoors.files.userfiles import Contents, readFile
from pkdoors.knocks.signatures import loadKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """
    @ivar secret: the private key's file, perhaps encrypted; empty where there is none.
    @ivar blob: the public key; L{None} where only the passphrase would tell it.
    """

    secret: bytes = field(repr=False)
    blob: bytes | None

    @property
    def needsAgent(self) -> bool:
        """Whether only the agent can sign with it: the files have no private half."""
        return self.blob is not None and (not self.secret or loadKey(self.blob).isSecurityKey())


def readKeyPair(path: str) -> KeyPair:
    """
    Read what a path names, and the public key beside a private one.

    @raise BadValue: there is no key, it is of a kind that is not taken, or others can read it.
    """
    found, beside = readFile(path), readFile(f"{path}.pub")
    if found and isPrivate(found.data):
        secret = found.secret()
        return KeyPair(secret, findPublicBlob(secret) or _readBlob(beside))
    public = found or beside
    if public is None:
        raise BadValue("there is no such file")
    return KeyPair(b"", parsePublicBlob(public.data))


def _readBlob(beside: Contents | None) -> bytes | None:
    """A public key that serves where it is good; the private one does without."""
    try:
        return parsePublicBlob(beside.data) if beside else None
    except BadValue:
        return None
