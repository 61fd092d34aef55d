"""What seals a knock: a private key from a file, or one that the SSH agent holds."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pkdoors.client.core.agent import Agent, publicKeyIn
from pkdoors.client.core.methods import Signer, Tools, Work
from pkdoors.client.keys._certificates import checkCertificate
from pkdoors.client.profiles import FROM_AGENT
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import Certificate, isCertificate, parseCertificate
from pkdoors.knocks.wire import fingerprint, isSecurityKey
from pkdoors.util.oneline import limitLines

if TYPE_CHECKING:
    from pkdoors.client.keys._filesigner import FileSigner
    from pkdoors.client.keys._pairs import KeyPair

MAX_AGENT_KEYS = 8
"""The most keys of the agent to try on a host: each is a whole knock and delays the next one by 60
ms."""

MAX_COMPLAINTS = 3
"""The most certificates of the agent whose faults are told."""


class AgentSigner(NamedTuple):
    """
    A key that the agent holds.

    @ivar held: what the agent holds, if that is a certificate instead of the key.
    """

    agent: Agent
    publicKey: bytes
    certificate: Certificate | None = None
    held: bytes = b""
    asksAgent: bool = True

    @property
    def needsTouch(self) -> bool:
        """See L{Signer}."""
        return isSecurityKey(self.publicKey)

    async def sign(self, data: bytes) -> bytes:
        """See L{Signer.sign}."""
        return await self.agent.sign(self.held or self.publicKey, data)


class Identity:
    """
    Which key is to seal the knocks.

    @ivar path: of a key's file; or L{FROM_AGENT}.
    @param agentPath: of the agent's socket, C{SSH_AUTH_SOCK}; empty if there is no agent.
    @param ask: asks the user for a passphrase, with a prompt.
    @param timeOfDay: seconds since 1970.
    """

    def __init__(
        self,
        path: str,
        agentPath: str,
        ask: Callable[[str], bytes],
        timeOfDay: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._agentPath = agentPath
        self._ask = ask
        self._timeOfDay = timeOfDay
        self._ready: list[Signer] = []
        self._unlocked: dict[bytes, FileSigner] = {}
        self._certified: list[Signer] = []
        self._said: set[str] = set()

    async def findSigners(self, tools: Tools) -> list[Signer]:
        """
        Return what signs. After the first call, no passphrase is asked for again. If there was a
        certificate, look each time for a newer one, as some live for an hour only.

        @raise KnockError: nothing can sign.
        """
        sayOnce = partial(self._sayOnce, tools.say)
        if not self._ready:
            self._take(await self._find(tools, sayOnce))
        elif self._certified:
            try:
                self._take(await self._find(tools, sayOnce))
            except KnockError as error:
                sayOnce(str(error))
        return [*self._ready]

    def _take(self, found: list[Signer]) -> None:
        self._ready[:] = found
        self._certified.extend(each for each in found if each.certificate and not self._certified)

    def _sayOnce(self, say: Callable[[str], None], line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            say(line)

    async def _find(self, tools: Tools, say: Callable[[str], None]) -> list[Signer]:
        agent = Agent(self._agentPath, tools.ask) if self._agentPath else None
        if self.path == FROM_AGENT:
            return await _chooseAgentKeys(agent, self._timeOfDay(), say)
        try:
            return await self._chooseFileKey(agent, tools.work, say)
        except BadValue as error:
            raise KnockError(f"{self.path}: {error}") from error

    async def _chooseFileKey(
        self, agent: Agent | None, work: Work, say: Callable[[str], None]
    ) -> list[Signer]:
        """
        Return what signs with the key of a file: first with its certificate, as ssh does, since the
        client cannot know which of the two the host knows.
        """
        pair = await work(partial(_readPair, os.path.expanduser(self.path)))
        certificate = pair.certificate
        if certificate is not None and pair.isCertificateAsked:
            checkCertificate(certificate, self._timeOfDay())
        elif certificate is not None and not _isUseful(certificate, self._timeOfDay(), say):
            certificate = None
        plain = await self._findHalf(pair, agent, work)
        if certificate is None:
            return [plain]
        if plain.publicKey != certificate.key:
            what = f"the certificate of {certificate} is for another key"
            if pair.isCertificateAsked:
                raise BadValue(what)
            say(f"{what}: it is not sent")
            return [plain]
        certified = plain._replace(certificate=certificate)
        return [certified] if pair.isCertificateAsked else [certified, plain]

    async def _findHalf(
        self, pair: "KeyPair", agent: Agent | None, work: Work
    ) -> "FileSigner | AgentSigner":
        """Return what signs with the private half of a key."""
        if pair.blob and agent and (held := await _findInAgent(agent, pair)):
            return AgentSigner(agent, pair.blob, held=held)
        if pair.blob and pair.needsAgent:
            raise BadValue(_describeMissing(pair.blob, agent))
        if pair.secret not in self._unlocked:
            self._unlocked[pair.secret] = await self._unlock(pair.secret, work)
        return self._unlocked[pair.secret]

    async def _unlock(self, secret: bytes, work: Work) -> "FileSigner":
        signer = await work(partial(_makeSigner, secret))
        if signer is not None:
            return signer
        if self._ready:
            raise BadValue("it is encrypted")
        passphrase = self._ask(f"Passphrase for {self.path}: ")
        unlocked = await work(partial(_makeSigner, secret, passphrase))
        assert unlocked is not None
        return unlocked


class GivenKey:
    """
    A private key that a program has in memory, as the L{pkdoors.client.core.methods.Identity}.

    @param secret: the contents of its file, not encrypted.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._signer: FileSigner | None = None

    async def findSigners(self, tools: Tools) -> list[Signer]:
        """
        Return what signs.

        @raise KnockError: the key cannot be used.
        """
        if self._signer is None:
            try:
                self._signer = await tools.work(partial(_makeSigner, self._secret))
            except BadValue as error:
                raise KnockError(f"the key cannot be used: {error}") from error
        if self._signer is None:
            raise KnockError("the key is encrypted: decrypt it, or add it to the SSH agent")
        return [self._signer]


def _readPair(path: str) -> "KeyPair":
    """See L{pkdoors.client.keys._pairs.readKeyPair}."""
    from pkdoors.client.keys._pairs import readKeyPair  # not needed for the agent's own keys

    return readKeyPair(path)


def _makeSigner(secret: bytes, passphrase: bytes | None = None) -> "FileSigner | None":
    """
    Return what signs with a private key; L{None} if it is encrypted and there is no passphrase.

    @raise BadValue: it cannot be used.
    """
    from pkdoors.client.keys._filesigner import FileSigner  # it loads cryptography
    from pkdoors.client.keys._formats import PassphraseNeeded, parsePrivateKey

    try:
        return FileSigner(parsePrivateKey(secret, passphrase))
    except PassphraseNeeded:
        return None


async def _chooseAgentKeys(
    agent: Agent | None, now: float, say: Callable[[str], None]
) -> list[Signer]:
    if agent is None:
        raise KnockError(
            "there is no SSH agent (SSH_AUTH_SOCK is not set): start one, or use --identity FILE"
        )
    found = [_readHeld(agent, blob) for blob in await agent.listKeys()]
    complaints: list[str] = []
    complain = complaints.append
    signers = [
        each for each in found if not each.certificate or _isUseful(each.certificate, now, complain)
    ]
    for line in limitLines(complaints, "certificates are not sent", MAX_COMPLAINTS):
        say(line)
    if not signers:
        raise KnockError(
            "the SSH agent has no usable key, or is locked: run ssh-add, or ssh-add -X"
        )
    # The user must touch a security key for each knock: use one only if there is nothing else.
    easy = [signer for signer in signers if not signer.needsTouch]
    usable = sorted(easy or signers, key=lambda signer: signer.certificate is None)
    if len(usable) > MAX_AGENT_KEYS:
        say(
            f"only the first {MAX_AGENT_KEYS} of the SSH agent's {len(usable)} keys are tried: "
            "use --identity FILE to choose one"
        )
    return [*usable[:MAX_AGENT_KEYS]]


def _readHeld(agent: Agent, blob: bytes) -> AgentSigner:
    """Return what signs with a key or a certificate that the agent lists."""
    if not isCertificate(blob):
        return AgentSigner(agent, blob)
    certificate = parseCertificate(blob)
    return AgentSigner(agent, certificate.key, certificate, held=blob)


def _isUseful(certificate: Certificate, now: float, say: Callable[[str], None]) -> bool:
    """Return whether a certificate is worth sending, and tell the user if not."""
    try:
        checkCertificate(certificate, now)
    except BadValue as error:
        say(f"{error}: it is not sent")
        return False
    return True


async def _findInAgent(agent: Agent, pair: "KeyPair") -> bytes | None:
    """Return what the agent holds of a key: the key, or else a certificate of it."""
    try:
        held = [blob for blob in await agent.listKeys() if publicKeyIn(blob) == pair.blob]
    except KnockError:
        if pair.needsAgent:
            raise
        return None
    return min(held, key=isCertificate, default=None)


def _describeMissing(blob: bytes, agent: Agent | None) -> str:
    what = f"the private half of {fingerprint(blob)} is not in this file"
    if agent is None:
        return f"{what}, and there is no SSH agent (SSH_AUTH_SOCK is not set)"
    return f"{what}, and the SSH agent does not hold it, or is locked: run ssh-add, or ssh-add -X"
