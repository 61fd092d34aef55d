"""An SSH agent, and the keys that it holds."""

from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.fakes.reactor import FakeReactor

SOCKET = "/run/user/1000/agent"
_FAILURE, _LIST, _IDENTITIES, _SIGN, _SIGNED = 5, 11, 12, 13, 14  # draft-ietf-sshm-ssh-agent
_RSA = {0: b"ssh-rsa", 2: b"rsa-sha2-256", 4: b"rsa-sha2-512"}


@cache
def makeKey(kind: str, number: int = 0) -> Key:
    """A private key, C{ed25519}, C{ecdsa} or C{rsa}; the same one for the same arguments."""
    if kind == "rsa":
        return Key(rsa.generate_private_key(65537, 2048))
    if kind == "ecdsa":
        return Key(ec.generate_private_key(ec.SECP384R1()))
    assert kind == "ed25519"
    return Key(ed25519.Ed25519PrivateKey.generate())


class SecurityKey:
    """
    A security key in software, as an agent has it: it is always touched.
    """

    name, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"

    def __init__(self) -> None:
        self._key = makeKey("ed25519", 99)

    def blob(self) -> bytes:
        """The public key blob."""
        raw = getNS(self._key.blob(), 2)[1]
        return NS(self.name) + NS(raw) + NS(self.application)

    def sign(self, data: bytes) -> bytes:
        """The signature blob, see OpenSSH's C{PROTOCOL.u2f}."""
        trailer = b"\1" + bytes(4)
        framed = sha256(self.application).digest() + trailer + sha256(data).digest()
        raw = getNS(self._key.sign(framed), 2)[1]
        return NS(self.name) + NS(raw) + trailer


class AgentReactor(FakeReactor):
    """
    A reactor with UNIX sockets: one that an agent listens on.
    """

    agent: "FakeAgent | None" = None

    def connectUNIX(
        self, address: str, factory: Any, timeout: float = 30, checkPID: bool = False
    ) -> None:
        """Connect to the agent."""
        if address == SOCKET and self.agent is not None:
            self.agent.connect(factory)
        else:
            factory.clientConnectionFailed(None, Failure(ConnectError(osError=2)))


class FakeAgent:
    """
    Listens at L{SOCKET} of an L{AgentReactor}.

    @ivar held: its keys, by their blobs.
    @ivar refused: the blobs of those that it does not sign with.
    @ivar signed: with which keys it has signed.
    @ivar isLocked: whether it tells no keys and does not sign.
    @ivar isMute: whether it does not answer.
    @ivar isOld: whether it knows nothing of flags, and signs RSA with SHA-1.
    @ivar hangsUp: whether it ends the connection instead of answering.
    @ivar answers: in place of the right ones, where there are any.
    @ivar pieces: likewise, but as they are, and sent one after another.
    """

    def __init__(self, reactor: AgentReactor, *keys: Any) -> None:
        self._reactor = reactor
        self.held: dict[bytes, Any] = {key.blob(): key for key in keys}
        self.refused: set[bytes] = set()
        self.signed: list[bytes] = []
        self.transports: list[_Wire] = []
        self.isLocked = self.isMute = self.isOld = self.hangsUp = False
        self.answers: list[bytes] = []
        self.pieces: list[bytes] = []
        reactor.agent = self

    def connect(self, factory: Any) -> None:
        """Take a connection."""
        protocol = factory.buildProtocol(None)
        self.transports.append(_Wire(self, self._reactor, protocol))
        protocol.makeConnection(self.transports[-1])

    def answer(self, request: bytes) -> bytes:
        """What it says to a request, without the length."""
        if self.answers:
            return self.answers.pop(0)
        if request == bytes([_LIST]):
            found = [] if self.isLocked else [NS(blob) + NS(b"a key") for blob in self.held]
            return bytes([_IDENTITIES]) + len(found).to_bytes(4) + b"".join(found)
        assert request[0] == _SIGN, "asked for something else"
        blob, data, rest = getNS(request[1:], 2)
        assert len(rest) == 4, "the flags are missing"
        if self.isLocked or blob not in self.held or blob in self.refused:
            return bytes([_FAILURE])
        self.signed.append(blob)
        flags = 0 if self.isOld else int.from_bytes(rest)
        return bytes([_SIGNED]) + NS(self._sign(self.held[blob], data, flags))

    def _sign(self, key: Any, data: bytes, flags: int) -> bytes:
        if isinstance(key, Key) and key.sshType() == b"ssh-rsa":
            return key.sign(data, _RSA[flags])
        signature: bytes = key.sign(data)
        return signature


class _Wire(StringTransport):
    """The client's end: what it writes is answered in the reactor's next turn."""

    def __init__(self, agent: FakeAgent, reactor: AgentReactor, protocol: IProtocol) -> None:
        super().__init__()
        self._agent, self._reactor, self._protocol = agent, reactor, protocol

    def write(self, data: bytes) -> None:
        """Ask."""
        assert len(data) == 4 + int.from_bytes(data[:4]), "one whole request at a time"
        if self._agent.hangsUp:
            self._reactor.callLater(0, self.loseConnection)
        elif self._agent.pieces:
            for piece in self._agent.pieces:
                self._reactor.callLater(0, self._protocol.dataReceived, piece)
        elif not self._agent.isMute:
            answer = NS(self._agent.answer(data[4:]))
            self._reactor.callLater(0, self._protocol.dataReceived, answer)

    def prints(self, data: bytes) -> None:
        """Send something, asked or not."""
        self._protocol.dataReceived(data)

    def loseConnection(self) -> None:
        """Hang up."""
        if not self.disconnecting:
            super().loseConnection()
            self._protocol.connectionLost(Failure(ConnectionDone()))
