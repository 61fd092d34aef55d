"""The user's SSH agent. Pure: a driver carries the messages."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from pkdoors.client.core.agentwire import (
    FAILURE,
    AgentAway,
    AgentError,
    AgentSilent,
    makeListRequest,
    makeSignRequest,
    parseKeyList,
    parseSignature,
)
from pkdoors.client.core.events import Answered, Asked, Event
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import isCertificate, parseCertificate
from pkdoors.knocks.signatureforms import fitsKey
from pkdoors.knocks.wire import checkPublicBlob, fingerprint
from pkdoors.util.durations import formatDuration

LIST_TIMEOUT = 10.0
"""Seconds in which the agent must accept a connection and list its keys."""
SIGN_TIMEOUT = 60.0
"""Seconds in which it must sign: a user may have to confirm it or to touch a key. After that time
the stamp of the knock would be too old."""


class Ask(Protocol):
    """How a driver asks an agent."""

    def __call__(self, path: str, question: bytes, seconds: float) -> Awaitable[bytes]:
        """
        Connect, send one request, and hang up after the answer: nothing stays open while the client
        waits or relays.

        @param path: of the agent's socket.
        @param seconds: the time that the agent has for it.
        @return: the answer, C{SSH_AGENT_FAILURE} as well.
        @raise AgentError: there is none.
        """


def traceAsk(ask: Ask, trace: Callable[[Event], None]) -> Ask:
    """Return what asks an agent, and reports that."""

    async def traced(path: str, question: bytes, seconds: float) -> bytes:
        trace(Asked(path, question))
        try:
            answer = await ask(path, question, seconds)
        except AgentError as error:
            trace(Answered(b"", str(error)))
            raise
        trace(Answered(answer))
        return answer

    return traced


class Agent(NamedTuple):
    """
    Lists the keys of the agent, and makes it sign with one.

    @ivar path: of the agent's socket, from C{SSH_AUTH_SOCK}.
    """

    path: str
    ask: Ask

    async def listKeys(self) -> list[bytes]:
        """
        Return its keys in its order, of the kinds that a daemon accepts: public key blobs, and
        certificates.

        @raise KnockError: it does not list them.
        """
        what = f"the SSH agent at {self.path} does not list its keys"
        try:
            found = parseKeyList(await self._ask(makeListRequest(), LIST_TIMEOUT))
        except AgentSilent as error:
            raise KnockError(f"the SSH agent at {self.path} does not answer") from error
        except AgentError as error:
            raise KnockError(f"{what}: {error}") from error
        except ValueError as error:
            raise KnockError(what) from error
        return [blob for blob in found if _isAccepted(blob)]

    async def sign(self, blob: bytes, data: bytes) -> bytes:
        """
        Return the signature blob of one of its keys.

        @param blob: as L{listKeys} has it.
        @raise KnockError: it does not sign, or not with an algorithm that a daemon accepts.
        """
        try:
            answer = await self._ask(makeSignRequest(blob, data), SIGN_TIMEOUT)
        except AgentSilent as error:
            raise KnockError(
                f"the SSH agent at {self.path} did not sign within {formatDuration(SIGN_TIMEOUT)}"
            ) from error
        except AgentError as error:
            raise KnockError(f"the SSH agent at {self.path} does not sign: {error}") from error
        key = publicKeyIn(blob)
        if answer[0] == FAILURE:
            raise KnockError(
                f"the SSH agent refuses to sign with {fingerprint(key)}: perhaps it is "
                "locked (unlock it with ssh-add -X), has lost the key, or its user declined"
            )
        signature = parseSignature(answer)
        if not fitsKey(key, signature):
            raise KnockError(
                f"the SSH agent's signature with {fingerprint(key)} is of an unsupported "
                "kind (old agents use SHA-1 for RSA keys): use an ed25519 key"
            )
        return signature

    async def _ask(self, question: bytes, seconds: float) -> bytes:
        try:
            return await self.ask(self.path, question, seconds)
        except AgentAway as error:
            raise KnockError(
                f"no SSH agent answers at {self.path} (SSH_AUTH_SOCK): is it still running?"
            ) from error


def publicKeyIn(blob: bytes) -> bytes:
    """Return the public key blob of what an agent holds: a key, or a certificate."""
    return parseCertificate(blob).key if isCertificate(blob) else blob


def _isAccepted(blob: bytes) -> bool:
    try:
        checkPublicBlob(publicKeyIn(blob))
    except BadValue:
        return False
    return True
