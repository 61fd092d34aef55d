"""A private key from a file, which signs."""

from typing import NamedTuple

from twisted.conch.ssh.keys import Key

from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.wire import ALGORITHMS


class FileSigner(NamedTuple):
    """A private key. See L{Signer}."""

    key: Key
    certificate: Certificate | None = None
    asksAgent: bool = False

    @property
    def needsTouch(self) -> bool:
        """It is only a file."""
        return False

    @property
    def publicKey(self) -> bytes:
        """See L{Signer}."""
        return bytes(self.key.blob())

    async def sign(self, data: bytes) -> bytes:
        """See L{Signer.sign}."""
        return self.key.sign(data, ALGORITHMS[self.key.sshType()][0])

    def __repr__(self) -> str:  # of its own: the key must not get into a log
        return f"FileSigner(certificate={self.certificate!r})"
