"""The user's SSH agent."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.conch.error import ConchError
from twisted.conch.ssh.agent import AGENT_SIGN_RESPONSE, AGENTC_SIGN_REQUEST, SSHAgentClient
from twisted.conch.ssh.common import NS, getNS
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from pkdoors.errors import BadValue, KnockError
from pkdoors.seals.signatures import fingerprint, isGood, loadKey

T = TypeVar("T")

RSA_SHA2_512 = 4
"""The flag without which an agent signs with SHA-1, which is not taken. Only RSA keys heed it."""
LIST_PATIENCE = 10.0
"""Seconds in which the agent must tell its keys. A signature may take as long as it likes: somebody
may be asked to confirm it, or to touch a key."""


class AgentClient(SSHAgentClient):
    """
    What is asked fails when the agent goes away, instead of never being answered.
    """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The agent hung up, or the client did."""
        pending, self.deferreds = self.deferreds, []
        for each in pending:
            each.errback(ConchError("it hung up"))


class Agent:
    """
    @param path: of the socket that it listens on, as C{SSH_AUTH_SOCK} tells.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path

    async def keys(self) -> list[bytes]:
        """
        The public key blobs of its keys, of the kinds that are taken, in its order.

        @raise KnockError: it does not tell.
        """

        def listed(client: AgentClient) -> Deferred[Any]:
            found: Deferred[Any] = client.requestIdentities()
            return found.addTimeout(LIST_PATIENCE, self._reactor)

        try:
            found = await self._ask(listed)
        except DeferredTimeout as error:
            raise KnockError(f"the SSH agent at {self._path} does not answer") from error
        except KnockError:
            raise
        except Exception as error:  # conch stumbles over an answer that is malformed
            raise KnockError(f"the SSH agent at {self._path} does not tell its keys") from error
        return [blob for blob, _ in found if _isTaken(blob)]

    async def sign(self, blob: bytes, data: bytes) -> bytes:
        """
        The signature blob of one of its keys.

        @raise KnockError: it does not sign, or not with what is taken.
        """
        request = NS(blob) + NS(data) + RSA_SHA2_512.to_bytes(4)
        try:
            answer = await self._ask(
                lambda client: client.sendRequest(AGENTC_SIGN_REQUEST, request)
            )
        except ConchError as error:
            raise KnockError(
                f"the SSH agent refuses to sign with {fingerprint(blob)}: it may be locked "
                "(ssh-add -X unlocks it), have lost the key, or have been told not to"
            ) from error
        signature = _signatureIn(answer)
        if not isGood(loadKey(blob), signature, data):
            raise KnockError(
                f"the SSH agent's signature with {fingerprint(blob)} is of a kind that is not "
                "taken (old agents sign RSA with SHA-1 only): use an ed25519 key"
            )
        return signature

    async def _ask(self, work: Callable[[AgentClient], Awaitable[T]]) -> T:
        """Connect for one question: nothing is left open while the client waits, or relays."""
        endpoint = UNIXClientEndpoint(self._reactor, self._path)
        try:
            client = await endpoint.connect(Factory.forProtocol(AgentClient))
        except (ConnectError, OSError) as error:
            raise KnockError(
                f"no SSH agent answers at {self._path} (SSH_AUTH_SOCK): is it still running?"
            ) from error
        try:
            return await work(client)
        finally:
            client.transport.loseConnection()


def _signatureIn(answer: bytes) -> bytes:
    """The signature blob of an answer; empty where it has none."""
    if answer[:1] != bytes([AGENT_SIGN_RESPONSE]) or len(answer) < 5:
        return b""
    return bytes(getNS(answer[1:])[0])


def _isTaken(blob: bytes) -> bool:
    try:
        loadKey(blob)
    except BadValue:
        return False
    return True
