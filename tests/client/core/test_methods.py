"""Tests of L{pkdoors.client.core.methods}."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.methods import PlainMethod, SealedMethod
from pkdoors.client.keys.signers import Identity
from pkdoors.client.reactor.driver import makeTools, perform
from pkdoors.errors import KnockError
from pkdoors.knocks.seal import Sealed, Statement, hintOf, makeSignedData, parseSealed
from pkdoors.knocks.signatures import isGood, loadKey
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, HOST6, FakeNames
from tests.fakes.agent import SOCKET, AgentReactor, FakeAgent, SecurityKey, makeKey
from tests.fakes.doors import PORTS

SEQUENCE = Sequence(PORTS)
KEYS = [makeKey(kind) for kind in ("ed25519", "ecdsa")]
BLOBS = [key.blob() for key in KEYS]


def refuse(prompt: str) -> bytes:
    """Fail: no passphrase is to be asked for."""
    raise AssertionError(prompt)


class PlainMannerTests(SynchronousTestCase):
    """
    Tests of L{PlainMethod}.
    """

    def test_plan(self) -> None:
        """It sends a plain knock, with the seconds rounded up, in order."""
        method = PlainMethod(SEQUENCE, 1.2, 0.5)
        tools = makeTools(AgentReactor(), lambda line: None)
        plan = self.successResultOf(Deferred.fromCoroutine(method.plan(HOST4, tools, True)))
        found = plan.sendings
        self.assertEqual([(0.5, 17203, b"knock 2\n")], [tuple(sending) for sending in found[1:2]])
        self.assertEqual(PORTS, tuple(sending.port for sending in found))
        self.assertEqual("knocked on home", method.describe("home"))

    def test_hurried(self) -> None:
        """The first knock is faster, the next one is not, and neither is one of a user's pace."""
        tools = makeTools(AgentReactor(), lambda line: None)
        for method, pauses in (
            (PlainMethod(SEQUENCE, 0.0), (0.02, 0.02)),
            (PlainMethod(SEQUENCE, 0.0).hurried(0.007), (0.007, 0.02)),
            (PlainMethod(SEQUENCE, 0.0, 0.05).hurried(0.007), (0.05, 0.05)),
            (PlainMethod(SEQUENCE, 0.0, 0.0).hurried(0.007), (0.0, 0.0)),
        ):
            for isFirst, pause in zip((True, False), pauses, strict=True):
                coroutine = method.plan(HOST4, tools, isFirst)
                plan = self.successResultOf(Deferred.fromCoroutine(coroutine))
                self.assertEqual([0.0] + [pause] * 4, [each.pause for each in plan.sendings])


class SealedMannerTests(SynchronousTestCase):
    """
    Tests of L{SealedMethod}, with the keys of an agent.
    """

    def setUp(self) -> None:
        """Make an agent."""
        self.reactor = AgentReactor()
        self.agent = FakeAgent(self.reactor, *KEYS)
        self.said: list[str] = []
        self.local = {HOST4: "8.8.8.8", HOST6: "fd00::1"}
        self.now = 1_700_000_000.5

    def method(self, **fields: Any) -> SealedMethod:
        """Return a method of knocking."""
        defaults: dict[str, Any] = {
            "sequence": SEQUENCE,
            "door": "web",
            "seconds": 0.0,
            "close": False,
            "bind": "auto",
            "identity": Identity("agent", SOCKET, refuse),
            "timeOfDay": lambda: self.now,
            "findLocalAddress": self.find,
        }
        return SealedMethod(**{**defaults, **fields})

    def find(self, address: str) -> str:
        """Return the local address towards another one."""
        if address not in self.local:
            raise OSError(101, "Network is unreachable")
        return self.local[address]

    def knock(self, *addresses: str, **fields: Any) -> Deferred[list[str]]:
        """Knock, and wait for the end."""
        FakeNames(self, *addresses)

        async def work() -> list[str]:
            attempt = Attempt("host", self.method(**fields))
            return list((await perform(self.reactor, attempt, self.said.append)).knocked)

        result = Deferred.fromCoroutine(work())
        self.reactor.pump([0.0] * 20 + [0.01] * 40)
        return result

    def sealed(self) -> list[Sealed]:
        """Return the different knocks that were sent, parsed."""
        return [
            parseSealed(datagram)
            for datagram in dict.fromkeys(sent[3] for sent in self.reactor.sent)
        ]

    def checkGood(self, sealed: Sealed, blob: bytes) -> None:
        """Assert that it is sealed with this key, for this sequence and no other."""
        self.assertEqual(hintOf(blob, sealed.statement.nonce), sealed.statement.hint)
        for ports, isIt in ((PORTS, True), (PORTS[::-1], False)):
            data = makeSignedData(sealed.text, Sequence(ports))
            self.assertIs(isIt, isGood(loadKey(blob), sealed.signature, data))

    def test_statement(self) -> None:
        """It says what the user asked for, when, and from where, and is sealed."""
        self.agent.held = {BLOBS[0]: KEYS[0]}
        self.successResultOf(self.knock(HOST4, seconds=1.2))
        (sealed,) = self.sealed()
        said = sealed.statement
        self.assertEqual(
            Statement("web", 2, 1_700_000_000_500, said.nonce, said.hint, "8.8.8.8"), said
        )
        self.checkGood(sealed, BLOBS[0])

    def test_close(self) -> None:
        """It can ask to close."""
        self.successResultOf(self.knock(HOST4, close=True))
        said = [knock.statement for knock in self.sealed()]
        self.assertEqual({(True, 0)}, {(statement.close, statement.seconds) for statement in said})
        self.assertEqual("asked home to close", self.method(close=True).describe("home"))
        self.assertEqual("knocked on home", self.method().describe("home"))

    def test_sentAtOnce(self) -> None:
        """It goes to all ports at once, three times, 20 ms apart."""
        self.agent.held = {BLOBS[0]: KEYS[0]}
        self.successResultOf(self.knock(HOST4))
        sent = [(round(when, 3), port) for when, _, port, _ in self.reactor.sent]
        self.assertEqual([(when, port) for when in (0.0, 0.02, 0.04) for port in PORTS], sent)

    def test_eachDestination(self) -> None:
        """Each address gets its own knock, with its own bind and nonce."""
        self.agent.held = {BLOBS[0]: KEYS[0]}
        self.successResultOf(self.knock(HOST4, HOST6))
        first, second = self.sealed()
        self.assertNotEqual(first.statement.nonce, second.statement.nonce)
        binds = {sent[1]: parseSealed(sent[3]).statement.bind for sent in self.reactor.sent}
        self.assertEqual({HOST4: "8.8.8.8", HOST6: "*"}, binds)

    def test_bind(self) -> None:
        """It says the address that the user gave, or none."""
        for bind, says in (("9.9.9.9", "9.9.9.9"), ("none", "*")):
            self.reactor.sent.clear()
            self.successResultOf(self.knock(HOST4, bind=bind))
            self.assertEqual({says}, {knock.statement.bind for knock in self.sealed()})

    def test_fresh(self) -> None:
        """Each knock has its own stamp and nonce: the same one twice would be a replay."""
        self.agent.held = {BLOBS[0]: KEYS[0]}
        for self.now in (100.0, 200.0):
            self.successResultOf(self.knock(HOST4))
        first, second = self.sealed()
        self.assertEqual((100_000, 200_000), (first.statement.stamp, second.statement.stamp))
        self.assertNotEqual(first.statement.nonce, second.statement.nonce)

    def test_keys(self) -> None:
        """Each of several keys seals one knock; they come one after another."""
        self.successResultOf(self.knock(HOST4))
        for sealed, blob in zip(self.sealed(), BLOBS, strict=True):
            self.checkGood(sealed, blob)
        self.assertEqual(30, len(self.reactor.sent))

    def test_oneRefused(self) -> None:
        """If the agent refuses one of them, the first or the last, that does not matter."""
        for refused, used in ((0, 1), (1, 0)):
            self.reactor.sent.clear()
            self.agent.refused = {BLOBS[refused]}
            self.successResultOf(self.knock(HOST4))
            (sealed,) = self.sealed()
            self.checkGood(sealed, BLOBS[used])

    def test_allRefused(self) -> None:
        """If it refuses them all, that is an error with its reason, and nothing is sent."""
        self.agent.refused = set(BLOBS)
        error = self.failureResultOf(self.knock(HOST4), KnockError).value
        self.assertIn("cannot knock on 192.0.2.1: the SSH agent refuses to sign", str(error))
        self.assertEqual([], self.reactor.sent)

    def test_noKey(self) -> None:
        """Without a key nothing is sent."""
        self.agent.held = {}
        self.failureResultOf(self.knock(HOST4), KnockError)
        self.assertEqual([], self.reactor.sent)

    def test_oneUnreachable(self) -> None:
        """An address without a route does not affect the others."""
        del self.local[HOST6]
        self.assertEqual([HOST4], self.successResultOf(self.knock(HOST6, HOST4)))

    def test_touch(self) -> None:
        """The user is told to touch a security key, and nothing about other keys."""
        self.successResultOf(self.knock(HOST4))
        self.assertEqual([], self.said)
        key = SecurityKey()
        self.agent.held = {key.blob(): key}
        self.successResultOf(self.knock(HOST4))
        self.assertEqual(["touch the security key"], self.said)
