"""The user's SSH agent."""

from typing import Any

from twisted.conch.ssh.agent import (
    AGENT_FAILURE,
    AGENT_IDENTITIES_ANSWER,
    AGENT_SIGN_RESPONSE,
    AGENTC_REQUEST_IDENTITIES,
    AGENTC_SIGN_REQUEST,
)
from twisted.conch.ssh.common import NS, getNS
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import isCertificate, parseCertificate
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.knocks.wire import fingerprint

RSA_SHA2_512 = 4
"""The flag that makes an agent sign with SHA-512; otherwise RSA keys sign with SHA-1, which no
daemon accepts. Other keys ignore it."""
LIST_TIMEOUT = 10.0
"""Seconds in which the agent must accept a connection and list its keys."""
SIGN_TIMEOUT = 60.0
"""Seconds in which it must sign: a user may have to confirm it or to touch a key. After that time
the stamp of the knock would be too old."""
MAX_ANSWER = 256 * 1024
"""The most bytes of an answer, the same as in OpenSSH."""
MAX_LISTED = 256
"""The most keys that are looked at of those that an agent lists."""


class AgentError(Exception):
    """The agent does not do what it is asked to do; the message is half a sentence."""


class AgentClient(Protocol):
    """One request to an agent and its answer; the agent is not trusted."""

    def __init__(self) -> None:
        self._answer: Deferred[bytes] | None = None
        self._data = b""

    def ask(self, question: bytes) -> Deferred[bytes]:
        """
        Send a request. C{SSH_AGENT_FAILURE} counts as an answer, too.

        @return: fires with the answer, or fails with L{AgentError}.
        """
        self._answer = Deferred()
        assert self.transport is not None
        self.transport.write(NS(question))
        return self._answer

    def dataReceived(self, data: bytes) -> None:
        """Add to the answer."""
        if self._answer is None:  # nothing has been asked yet, or the answer is complete
            return
        self._data += data
        if len(self._data) < 4:
            return
        size = int.from_bytes(self._data[:4])
        if not 1 <= size <= MAX_ANSWER:
            self._end(AgentError(f"its answer has {size} bytes, 1 to {MAX_ANSWER} are allowed"))
        elif len(self._data) >= 4 + size:
            self._end(self._data[4 : 4 + size])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The agent hung up, or the client did."""
        self._end(AgentError("it hung up"))

    def _end(self, result: bytes | AgentError) -> None:
        answer, self._answer, self._data = self._answer, None, b""
        if answer is None:
            return
        if isinstance(result, AgentError):
            answer.errback(result)
        else:
            answer.callback(result)


class Agent:
    """
    Lists the keys of the agent, and makes it sign with one.

    @param path: of the agent's socket, from C{SSH_AUTH_SOCK}.
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path

    async def listKeys(self) -> list[bytes]:
        """
        Return its keys in its order, of the kinds that a daemon accepts: public key blobs, and
        certificates.

        @raise KnockError: it does not list them.
        """

        try:
            answer = await self._ask(bytes([AGENTC_REQUEST_IDENTITIES]), LIST_TIMEOUT)
        except DeferredTimeout as error:
            raise KnockError(f"the SSH agent at {self._path} does not answer") from error
        except AgentError as error:
            raise KnockError(
                f"the SSH agent at {self._path} does not list its keys: {error}"
            ) from error
        try:
            return [blob for blob in _parseKeyList(answer) if _isAccepted(blob)]
        except Exception as error:  # conch raises all kinds of errors for a malformed answer
            raise KnockError(f"the SSH agent at {self._path} does not list its keys") from error

    async def sign(self, blob: bytes, data: bytes) -> bytes:
        """
        Return the signature blob of one of its keys.

        @param blob: as L{listKeys} has it.
        @raise KnockError: it does not sign, or not with an algorithm that a daemon accepts.
        """
        request = NS(blob) + NS(data) + RSA_SHA2_512.to_bytes(4)
        try:
            answer = await self._ask(bytes([AGENTC_SIGN_REQUEST]) + request, SIGN_TIMEOUT)
        except DeferredTimeout as error:
            raise KnockError(
                f"the SSH agent at {self._path} did not sign within {SIGN_TIMEOUT:g} s"
            ) from error
        except AgentError as error:
            raise KnockError(f"the SSH agent at {self._path} does not sign: {error}") from error
        key = publicKeyIn(blob)
        if answer[0] == AGENT_FAILURE:
            raise KnockError(
                f"the SSH agent refuses to sign with {fingerprint(key)}: perhaps it is "
                "locked (unlock it with ssh-add -X), has lost the key, or its user declined"
            )
        signature = _parseSignature(answer)
        if not _isGood(key, signature, data):
            raise KnockError(
                f"the SSH agent's signature with {fingerprint(key)} is of an unsupported "
                "kind (old agents use SHA-1 for RSA keys): use an ed25519 key"
            )
        return signature

    async def _ask(self, question: bytes, seconds: float) -> bytes:
        """Connect for one request: nothing stays open while the client waits or relays."""
        endpoint = UNIXClientEndpoint(self._reactor, self._path, timeout=LIST_TIMEOUT)
        try:
            client = await endpoint.connect(Factory.forProtocol(AgentClient))
        except (ConnectError, OSError) as error:
            raise KnockError(
                f"no SSH agent answers at {self._path} (SSH_AUTH_SOCK): is it still running?"
            ) from error
        try:
            answer: bytes = await client.ask(question).addTimeout(seconds, self._reactor)
            return answer
        finally:
            client.transport.loseConnection()


def publicKeyIn(blob: bytes) -> bytes:
    """Return the public key blob of what an agent holds: a key, or a certificate."""
    return parseCertificate(blob).key if isCertificate(blob) else blob


def _parseKeyList(answer: bytes) -> list[bytes]:
    """Return the blobs in an answer; for a malformed answer, raise an error of any kind."""
    if answer[0] != AGENT_IDENTITIES_ANSWER or len(answer) < 5:
        raise ValueError("it is something else")
    count, rest = int.from_bytes(answer[1:5]), answer[5:]
    blobs = []
    for _ in range(min(count, MAX_LISTED)):
        blob, _comment, rest = getNS(rest, 2)
        blobs.append(blob)
    return blobs


def _parseSignature(answer: bytes) -> bytes:
    """Return the signature blob in an answer; empty if it has none."""
    if answer[0] != AGENT_SIGN_RESPONSE or len(answer) < 5:
        return b""
    return bytes(getNS(answer[1:])[0])


def _isGood(blob: bytes, signature: bytes, data: bytes) -> bool:
    try:
        return isGood(loadKey(blob), signature, data)
    except Exception:  # conch and cryptography raise many kinds for what an agent can invent
        return False


def _isAccepted(blob: bytes) -> bool:
    try:
        loadKey(publicKeyIn(blob))
    except BadValue:
        return False
    return True
