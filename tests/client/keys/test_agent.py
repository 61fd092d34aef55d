"""Tests of L{pkdoors.client.core.agent} and L{pkdoors.client.keys.signers}."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from twisted.conch.ssh.common import NS
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.agent import Agent
from pkdoors.client.core.agentwire import MAX_ANSWER, MAX_LISTED
from pkdoors.client.core.methods import Signer, Tools
from pkdoors.client.keys._filesigner import parsePrivateKey
from pkdoors.client.keys.signers import Identity
from pkdoors.client.reactor._agent import AgentClient, askWith
from pkdoors.client.reactor.driver import makeTools
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.seal import frameMessage
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.knocks.wire import fingerprint
from tests.client.keys.test_formats import PKCS8, encode, publicLine, securityFile
from tests.fakes.agent import SOCKET, AgentReactor, FakeAgent, SecurityKey, makeKey

T = TypeVar("T")
KEYS = [makeKey(kind) for kind in ("ed25519", "ecdsa", "rsa")]
DATA = b"what is signed"


class AgentTestCase(SynchronousTestCase):
    """A test with an agent that holds some keys."""

    def setUp(self) -> None:
        """Start the agent."""
        self.reactor = AgentReactor()
        self.fake = FakeAgent(self.reactor, *KEYS)
        self.said: list[str] = []

    def tools(self) -> Tools:
        """Return what a driver lends."""
        return makeTools(self.reactor, self.said.append)

    def wait(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        """Return the result of a coroutine."""
        return self.successResultOf(self.begin(work))

    def begin(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Begin a coroutine, and give the agent the time to answer."""
        result = Deferred.fromCoroutine(work)
        self.reactor.pump([0.0] * 8)
        return result

    def wrong(self, work: Coroutine[Deferred[Any], Any, T]) -> str:
        """Return the sentence that a coroutine fails with."""
        return str(self.failureResultOf(self.begin(work), KnockError).value)

    def tearDown(self) -> None:
        """Nothing stays open, whatever happened."""
        self.assertEqual([True] * len(self.fake.transports), self.hungUp())

    def hungUp(self) -> list[bool]:
        """Return for each connection to the agent whether it has ended."""
        return [transport.disconnecting for transport in self.fake.transports]


class AgentTests(AgentTestCase):
    """
    Tests of L{Agent}.
    """

    def setUp(self) -> None:
        """Keep the connection."""
        super().setUp()
        self.agent = Agent(SOCKET, askWith(self.reactor))

    def test_keys(self) -> None:
        """It lists its keys, in its order."""
        self.assertEqual([key.blob() for key in KEYS], self.wait(self.agent.listKeys()))

    def test_keysNotTaken(self) -> None:
        """Keys that no daemon accepts, such as certificates, are left out."""
        odd = b"\0\0\0\x20ssh-ed25519-cert-v01@openssh.com"
        self.fake.held = {odd: None, KEYS[0].blob(): KEYS[0]}
        self.assertEqual([KEYS[0].blob()], self.wait(self.agent.listKeys()))

    def test_sign(self) -> None:
        """It signs with keys of all kinds; with RSA, it uses SHA-512."""
        keys: list[Any] = [*KEYS, SecurityKey()]
        for key in keys:
            self.fake.held[key.blob()] = key
            signature = self.wait(self.agent.sign(key.blob(), DATA))
            self.assertTrue(isGood(loadKey(key.blob()), signature, DATA))
            self.assertFalse(isGood(loadKey(key.blob()), signature, DATA + b"x"))
        self.assertIn(b"rsa-sha2-512", self.wait(self.agent.sign(KEYS[2].blob(), DATA)))

    def test_refused(self) -> None:
        """If it refuses, that is one sentence with the key."""
        self.fake.refused = {KEYS[0].blob()}
        found = self.wrong(self.agent.sign(KEYS[0].blob(), DATA))
        print_ = fingerprint(KEYS[0].blob())
        self.assertTrue(found.startswith(f"the SSH agent refuses to sign with {print_}: "), found)

    def test_oldAgent(self) -> None:
        """A signature with SHA-1 is not sent, since no daemon accepts it."""
        self.fake.isOld = True
        found = self.wrong(self.agent.sign(KEYS[2].blob(), DATA))
        self.assertIn("of an unsupported kind (old agents use SHA-1 for RSA keys)", found)

    def test_oddAnswers(self) -> None:
        """An answer that is not a signature is not sent either."""
        for answer in (b"\6", b"\x0e", b"\x0e\0\0\0\0", b"\x0e\0\0\0\x09x", b"\x0c\0\0\0\0"):
            self.fake.answers = [answer]
            found = self.wrong(self.agent.sign(KEYS[0].blob(), DATA))
            self.assertIn("of an unsupported kind", found)

    def test_oddList(self) -> None:
        """An answer that is not a list of keys is one sentence."""
        for answer in (b"\5", b"\6", b"\x0e\0\0\0\1", b"\x0c", b"\x0c\0\0\0\1\0"):
            self.fake.answers = [answer]
            found = self.wrong(self.agent.listKeys())
            self.assertEqual(f"the SSH agent at {SOCKET} does not list its keys", found)

    def test_hostile(self) -> None:
        """Whatever an agent sends is one sentence, and not more of it is kept than is allowed."""
        huge = [b"\0\0\0\0", b"\xff\xff\xff\xff", (MAX_ANSWER + 1).to_bytes(4)]
        blob = KEYS[0].blob()
        works: list[Callable[[], Coroutine[Deferred[Any], Any, Any]]] = [
            lambda: self.agent.listKeys(),
            lambda: self.agent.sign(blob, DATA),
        ]
        for work in works:
            for sent in huge:
                for size in (1, 3, 4):  # the answer comes in pieces
                    pieces = [sent[at : at + size] for at in range(0, 4, size)]
                    self.fake.pieces = [*pieces, b"x" * MAX_ANSWER]
                    self.assertIn("bytes, 1 to 262144 are allowed", self.wrong(work()))

    def test_manyKeys(self) -> None:
        """Only the first keys of a very long list are looked at, and that takes no time."""
        junk = NS(b"x") + NS(b"\x1b]0;x\7\xff")
        self.fake.answers = [b"\x0c\xff\xff\xff\xff" + junk * (MAX_ANSWER // len(junk) - 1)]
        self.assertEqual([], self.wait(self.agent.listKeys()))
        looked = MAX_LISTED * junk + NS(KEYS[0].blob()) + NS(b"")
        self.fake.answers = [b"\x0c" + (MAX_LISTED + 1).to_bytes(4) + looked]
        self.assertEqual([], self.wait(self.agent.listKeys()))

    def test_slow(self) -> None:
        """An agent that sends a byte now and then is not waited for."""
        self.fake.isMute = True
        for work, patience in ((self.agent.listKeys(), 10), (self.agent.sign(b"", b""), 60)):
            result = self.begin(work)
            for byte in (b"\0\0\1\0" + bytes(patience))[: patience - 1]:
                self.fake.transports[-1].prints(bytes([byte]))
                self.reactor.advance(1)
            self.assertNoResult(result)
            self.reactor.advance(1)
            self.failureResultOf(result, KnockError)

    def test_unasked(self) -> None:
        """What it sends before the request, or after its answer, is ignored."""
        answer = bytes([12]) + (1).to_bytes(4) + NS(KEYS[0].blob()) + NS(b"")
        client = AgentClient()
        client.makeConnection(StringTransport())
        client.dataReceived(NS(b"\5"))
        asked = client.ask(b"?")
        client.dataReceived(NS(answer) + NS(b"\5"))
        client.dataReceived(NS(b"\5"))
        self.assertEqual(answer, self.successResultOf(asked))

    def test_none(self) -> None:
        """If no agent listens, that is one sentence with the path and the variable."""
        away = Agent("/nowhere", askWith(self.reactor))
        for work in (away.listKeys(), away.sign(KEYS[0].blob(), DATA)):
            self.assertEqual(
                "no SSH agent answers at /nowhere (SSH_AUTH_SOCK): is it still running?",
                self.wrong(work),
            )

    def test_hangsUp(self) -> None:
        """An agent that goes away is not waited for."""
        self.fake.hangsUp = True
        self.assertIn("does not list its keys", self.wrong(self.agent.listKeys()))
        self.assertIn(
            "does not sign: it hung up", self.wrong(self.agent.sign(KEYS[0].blob(), DATA))
        )

    def test_mute(self) -> None:
        """Nor is an agent that does not list its keys in ten seconds."""
        self.fake.isMute = True
        result = self.begin(self.agent.listKeys())
        self.reactor.advance(9.9)
        self.assertNoResult(result)
        self.reactor.advance(0.1)
        found = str(self.failureResultOf(result, KnockError).value)
        self.assertEqual(f"the SSH agent at {SOCKET} does not answer", found)

    def test_patience(self) -> None:
        """A signature can take a minute: a user may have to confirm it."""
        self.fake.isMute = True
        result = self.begin(self.agent.sign(KEYS[0].blob(), DATA))
        self.reactor.advance(59)
        self.assertNoResult(result)
        self.reactor.advance(1)
        found = str(self.failureResultOf(result, KnockError).value)
        self.assertEqual(f"the SSH agent at {SOCKET} did not sign within 1m", found)


class IdentityTests(AgentTestCase):
    """
    Tests of L{Identity}.
    """

    def setUp(self) -> None:
        """Make a place for a key."""
        super().setUp()
        self.path = Path(self.mktemp())
        self.prompts: list[str] = []
        self.answer = b"right"

    def ask(self, prompt: str) -> bytes:
        """Answer the question for the passphrase."""
        self.prompts.append(prompt)
        return self.answer

    def signers(
        self, path: str = "", agentPath: str = ""
    ) -> Coroutine[Deferred[Any], Any, list[Signer]]:
        """Return the signers of an identity; by default there is no agent."""
        identity = Identity(path or str(self.path), agentPath, self.ask)
        return identity.findSigners(self.tools())

    def write(self, data: bytes) -> None:
        """Write the key's file."""
        self.path.write_bytes(data)
        self.path.chmod(0o600)

    def checkSigns(self, signer: Signer, key: Any) -> None:
        """Assert that a signer signs with a key."""
        self.assertEqual(key.blob(), signer.publicKey)
        signature = self.wait(signer.sign(DATA))
        self.assertTrue(isGood(loadKey(key.blob()), signature, frameMessage(DATA)))

    def test_file(self) -> None:
        """A key of any kind in a file signs, and no passphrase is asked for."""
        for key in KEYS:
            self.write(encode(key))
            (signer,) = self.wait(self.signers())
            self.checkSigns(signer, key)
            self.assertFalse(signer.needsTouch)
        self.assertEqual([], self.prompts)

    def test_home(self) -> None:
        """C{~} is the home."""
        home = Path(self.mktemp()).absolute()
        home.mkdir()
        (home / "key").write_bytes(encode(KEYS[0]))
        (home / "key").chmod(0o600)
        import os

        self.patch(os, "environ", {"HOME": str(home)})
        (signer,) = self.wait(self.signers("~/key"))
        self.assertEqual(KEYS[0].blob(), signer.publicKey)

    def test_encrypted(self) -> None:
        """The passphrase is asked for once, before anything is signed."""
        self.write(encode(KEYS[0], passphrase=b"right"))
        (signer,) = self.wait(self.signers())
        self.assertEqual([f"Passphrase for {self.path}: "], self.prompts)
        self.checkSigns(signer, KEYS[0])
        self.checkSigns(signer, KEYS[0])
        self.assertEqual(1, len(self.prompts))

    def test_wrongPassphrase(self) -> None:
        """A wrong passphrase is one sentence, and is not asked for again."""
        self.write(encode(KEYS[0], passphrase=b"right"))
        self.answer = b"wrong"
        self.assertEqual(f"{self.path}: the passphrase is wrong", self.wrong(self.signers()))
        self.assertEqual(1, len(self.prompts))

    def test_fileWithAgent(self) -> None:
        """The agent signs with a key that it holds: no passphrase is needed."""
        self.write(encode(KEYS[0], passphrase=b"right"))
        (signer,) = self.wait(self.signers(agentPath=SOCKET))
        self.checkSigns(signer, KEYS[0])
        self.assertEqual(([KEYS[0].blob()], []), (self.fake.signed, self.prompts))

    def test_besideWithAgent(self) -> None:
        """The same is true for a PEM file that has its public half beside it."""
        self.write(encode(KEYS[2], PKCS8, b"right"))
        Path(f"{self.path}.pub").write_bytes(publicLine(KEYS[2].blob(), b"ssh-rsa"))
        (signer,) = self.wait(self.signers(agentPath=SOCKET))
        self.checkSigns(signer, KEYS[2])
        self.assertEqual(([KEYS[2].blob()], []), (self.fake.signed, self.prompts))

    def test_fileBesideAgent(self) -> None:
        """If the agent lacks the key, is gone or is locked, the file's key signs."""
        self.write(encode(KEYS[0], passphrase=b"right"))
        for path, isLocked in ((SOCKET, True), ("/nowhere", False)):
            self.fake.isLocked = isLocked
            (signer,) = self.wait(self.signers(agentPath=path))
            self.checkSigns(signer, KEYS[0])
        self.assertEqual(([], 2), (self.fake.signed, len(self.prompts)))

    def test_public(self) -> None:
        """With a public key, the agent signs."""
        self.write(publicLine(KEYS[0].blob()))
        (signer,) = self.wait(self.signers(agentPath=SOCKET))
        self.checkSigns(signer, KEYS[0])
        self.assertEqual([KEYS[0].blob()], self.fake.signed)

    def test_publicWithoutAgent(self) -> None:
        """If it cannot, the sentence says whether there is no agent, or no such key."""
        self.write(publicLine(makeKey("ed25519", 1).blob()))
        part = f"{self.path}: the private half of {fingerprint(makeKey('ed25519', 1).blob())} "
        for path, why in (
            ("", "and there is no SSH agent (SSH_AUTH_SOCK is not set)"),
            (SOCKET, "and the SSH agent does not hold it, or is locked: run ssh-add, or ssh-add"),
        ):
            found = self.wrong(self.signers(agentPath=path))
            self.assertTrue(found.startswith(f"{part}is not in this file, {why}"), found)
        self.assertIn("no SSH agent answers", self.wrong(self.signers(agentPath="/nowhere")))

    def test_securityKey(self) -> None:
        """The agent signs with a security key, and the user touches it."""
        self.write(securityFile())
        key = SecurityKey()
        self.fake.held[key.blob()] = key
        (signer,) = self.wait(self.signers(agentPath=SOCKET))
        self.checkSigns(signer, key)
        self.assertTrue(signer.needsTouch)

    def test_badFile(self) -> None:
        """An error about a file includes its path."""
        self.assertEqual(f"{self.path}: no such file", self.wrong(self.signers()))
        self.write(b"hello")
        self.assertEqual(f"{self.path}: it does not contain an SSH key", self.wrong(self.signers()))

    def test_agent(self) -> None:
        """In place of a path, C{agent} means all of the agent's keys."""
        found = self.wait(self.signers("agent", SOCKET))
        for signer, key in zip(found, KEYS, strict=True):
            self.checkSigns(signer, key)
        self.assertEqual([], self.said)

    def test_agentBound(self) -> None:
        """It uses no more than eight keys, and says so."""
        self.fake.held = {
            key.blob(): key for key in (makeKey("ed25519", number) for number in range(9))
        }
        found = self.wait(self.signers("agent", SOCKET))
        self.assertEqual(list(self.fake.held)[:8], [signer.publicKey for signer in found])
        (line,) = self.said
        self.assertIn("only the first 8 of the SSH agent's 9 keys are tried", line)

    def test_agentSecurityKeys(self) -> None:
        """Security keys are used only if there is no key that needs no touch."""
        key = SecurityKey()
        self.fake.held = {key.blob(): key, KEYS[0].blob(): KEYS[0]}
        (signer,) = self.wait(self.signers("agent", SOCKET))
        self.assertEqual(KEYS[0].blob(), signer.publicKey)
        del self.fake.held[KEYS[0].blob()]
        (signer,) = self.wait(self.signers("agent", SOCKET))
        self.assertEqual(key.blob(), signer.publicKey)

    def test_agentHasNone(self) -> None:
        """An agent that is locked, or has no keys, is one sentence."""
        self.fake.isLocked = True
        self.assertEqual(
            "the SSH agent has no usable key, or is locked: run ssh-add, or ssh-add -X",
            self.wrong(self.signers("agent", SOCKET)),
        )

    def test_noAgent(self) -> None:
        """A missing agent is one sentence."""
        found = self.wrong(self.signers("agent"))
        self.assertTrue(found.startswith("there is no SSH agent (SSH_AUTH_SOCK is not set)"), found)

    def test_givenUp(self) -> None:
        """A user who does not answer the question ends the attempt."""

        def refuse(prompt: str) -> bytes:
            raise KnockError("interrupted")

        self.write(encode(KEYS[0], passphrase=b"right"))
        identity = Identity(str(self.path), "", refuse)
        found = self.wrong(identity.findSigners(self.tools()))
        self.assertEqual("interrupted", found)


class SecretTests(SynchronousTestCase):
    """A text that must not get into a log."""

    def test_repr(self) -> None:
        """The C{repr} of a signer does not show its key."""
        signer = parsePrivateKey(encode(KEYS[0]))
        self.assertEqual("FileSigner(certificate=None)", repr(signer))
        self.assertRaises(BadValue, loadKey, b"")
