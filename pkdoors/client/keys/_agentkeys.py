"""The keys of the SSH agent, and which of them seal."""

from collections.abc import Callable
from typing import NamedTuple

from pkdoors.client.core.agent import Agent, publicKeyIn
from pkdoors.client.keys._certificates import checkCertificate
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import Certificate, isCertificate, parseCertificate
from pkdoors.knocks.seal import NAMESPACE, frameMessage
from pkdoors.knocks.wire import isSecurityKey
from pkdoors.util.oneline import limitLines

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

    async def sign(self, message: bytes, namespace: bytes = NAMESPACE) -> bytes:
        """See L{Signer.sign}."""
        return await self.agent.sign(self.held or self.publicKey, frameMessage(message, namespace))


async def chooseAgentKeys(
    agent: Agent, now: float, say: Callable[[str], None]
) -> list[AgentSigner]:
    """
    Return the agent's keys that seal, those with certificates first.

    @param now: seconds since 1970.
    @raise KnockError: it has none.
    """
    found = [_readHeld(agent, blob) for blob in await agent.listKeys()]
    complaints: list[str] = []
    complain = complaints.append
    signers = [
        each for each in found if not each.certificate or isUseful(each.certificate, now, complain)
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
    return usable[:MAX_AGENT_KEYS]


def _readHeld(agent: Agent, blob: bytes) -> AgentSigner:
    """Return what signs with a key or a certificate that the agent lists."""
    if not isCertificate(blob):
        return AgentSigner(agent, blob)
    certificate = parseCertificate(blob)
    return AgentSigner(agent, certificate.key, certificate, held=blob)


def isUseful(certificate: Certificate, now: float, say: Callable[[str], None]) -> bool:
    """Return whether a certificate is worth sending, and tell the user if not."""
    try:
        checkCertificate(certificate, now)
    except BadValue as error:
        say(f"{error}: it is not sent")
        return False
    return True


async def findInAgent(agent: Agent, blob: bytes) -> AgentSigner | None:
    """
    Return what signs with a key in the agent: the key, or else a certificate of it.

    @raise KnockError: the agent does not list its keys.
    """
    held = [each for each in await agent.listKeys() if publicKeyIn(each) == blob]
    return AgentSigner(agent, blob, held=min(held, key=isCertificate)) if held else None
