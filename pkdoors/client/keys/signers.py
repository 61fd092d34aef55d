"""What seals a knock: a private key from a file, or one that the SSH agent holds."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.conch.ssh.keys import Key

from pkdoors.client.keys._agent import Agent
from pkdoors.client.keys._formats import PassphraseNeeded, parsePrivateKey
from pkdoors.client.keys._pairs import KeyPair, readKeyPair
from pkdoors.client.profiles import FROM_AGENT
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.signatures import ALGORITHMS, fingerprint, loadKey

MAX_AGENT_KEYS = 8
"""The most keys of the agent to try on a host: each is a whole knock and delays the next one by 60
ms."""


class Signer(Protocol):
    """
    A key that can sign.

    @ivar publicKey: its SSH public key blob.
    @ivar needsTouch: whether the user must touch it for each signature.
    """

    @property
    def publicKey(self) -> bytes: ...

    @property
    def needsTouch(self) -> bool: ...

    async def sign(self, data: bytes) -> bytes:
        """
        Return the signature blob over some data.

        @raise KnockError: it does not sign.
        """


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A private key from a file."""

    key: Key = field(repr=False)

    needsTouch = False

    @property
    def publicKey(self) -> bytes:
        """See L{Signer}."""
        return bytes(self.key.blob())

    async def sign(self, data: bytes) -> bytes:
        """See L{Signer.sign}."""
        return self.key.sign(data, ALGORITHMS[self.key.sshType()][0])


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """A key that the agent holds."""

    agent: Agent
    publicKey: bytes

    @property
    def needsTouch(self) -> bool:
        """See L{Signer}."""
        return bool(loadKey(self.publicKey).isSecurityKey())

    async def sign(self, data: bytes) -> bytes:
        """See L{Signer.sign}."""
        return await self.agent.sign(self.publicKey, data)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Which key is to seal the knocks.

    @ivar path: of a key's file; or L{FROM_AGENT}.
    @ivar agentPath: of the agent's socket, C{SSH_AUTH_SOCK}; empty if there is no agent.
    @ivar ask: asks the user for a passphrase, with a prompt.
    """

    path: str
    agentPath: str
    ask: Callable[[str], bytes]
    _ready: list[Signer] = field(default_factory=list, init=False, compare=False)

    async def findSigners(self, reactor: Any, say: Callable[[str], None]) -> list[Signer]:
        """
        Return what signs. After the first call, no passphrase is asked for again.

        @param say: called with lines for the user.
        @raise KnockError: nothing can sign.
        """
        if not self._ready:
            self._ready.extend(await self._find(reactor, say))
        return self._ready

    async def _find(self, reactor: Any, say: Callable[[str], None]) -> list[Signer]:
        agent = Agent(reactor, self.agentPath) if self.agentPath else None
        if self.path == FROM_AGENT:
            return await _chooseAgentKeys(agent, say)
        try:
            return [await self._chooseFileKey(agent)]
        except BadValue as error:
            raise KnockError(f"{self.path}: {error}") from error

    async def _chooseFileKey(self, agent: Agent | None) -> Signer:
        pair = readKeyPair(os.path.expanduser(self.path))
        if pair.blob and agent and await _isInAgent(agent, pair):
            return AgentSigner(agent, pair.blob)
        if pair.blob and pair.needsAgent:
            raise BadValue(_describeMissing(pair.blob, agent))
        return FileSigner(self._unlock(pair.secret))

    def _unlock(self, secret: bytes) -> Key:
        try:
            return parsePrivateKey(secret)
        except PassphraseNeeded:
            return parsePrivateKey(secret, self.ask(f"Passphrase for {self.path}: "))


async def _chooseAgentKeys(agent: Agent | None, say: Callable[[str], None]) -> list[Signer]:
    if agent is None:
        raise KnockError(
            "there is no SSH agent (SSH_AUTH_SOCK is not set): start one, or use --identity FILE"
        )
    blobs = await agent.listKeys()
    if not blobs:
        raise KnockError(
            "the SSH agent has no usable key, or is locked: run ssh-add, or ssh-add -X"
        )
    # The user must touch a security key for each knock: use one only if there is nothing else.
    easy = [blob for blob in blobs if not loadKey(blob).isSecurityKey()]
    usable = easy or blobs
    if len(usable) > MAX_AGENT_KEYS:
        say(
            f"only the first {MAX_AGENT_KEYS} of the SSH agent's {len(usable)} keys are tried: "
            "use --identity FILE to choose one"
        )
    return [AgentSigner(agent, blob) for blob in usable[:MAX_AGENT_KEYS]]


async def _isInAgent(agent: Agent, pair: KeyPair) -> bool:
    try:
        return pair.blob in await agent.listKeys()
    except KnockError:
        if pair.needsAgent:
            raise
        return False


def _describeMissing(blob: bytes, agent: Agent | None) -> str:
    what = f"the private half of {fingerprint(blob)} is not in this file"
    if agent is None:
        return f"{what}, and there is no SSH agent (SSH_AUTH_SOCK is not set)"
    return f"{what}, and the SSH agent does not hold it, or is locked: run ssh-add, or ssh-add -X"
