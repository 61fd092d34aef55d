"""Tests of L{pkdoors.client.reactor.driver}."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.methods import PlainMethod
from pkdoors.client.reactor.driver import perform
from pkdoors.errors import KnockError
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, HOST6, FakeNames
from tests.fakes.doors import PORTS
from tests.fakes.reactor import FakeConnection, FakeReactor


class PerformTests(SynchronousTestCase):
    """
    Tests of L{perform}.
    """

    def setUp(self) -> None:
        """Make a reactor, and a host with two addresses."""
        self.reactor = FakeReactor()
        self.names = FakeNames(self, HOST4, HOST6)
        self.said: list[str] = []

    def attempt(self, seconds: float = 0.0, **fields: Any) -> Deferred[Outcome]:
        """Begin an attempt."""
        defaults: dict[str, Any] = {
            "host": "host.example",
            "method": PlainMethod(Sequence(PORTS), seconds, 0.02),
            "family": None,
            "port": None,
            "timeout": 5.0,
            "tries": 3,
            "look": 0.0,
        }
        attempt = Attempt(**{**defaults, **fields})
        result = Deferred.fromCoroutine(perform(self.reactor, attempt, self.said.append))
        self.reactor.advance(0)
        return result

    def finishKnock(self) -> None:
        """Let the time of a knock pass."""
        self.reactor.pump([0.02] * 4)

    def test_knock(self) -> None:
        """Without a port to wait for, it knocks once on both families, and says so."""
        result = self.attempt()
        self.finishKnock()
        self.assertEqual(
            "knocked on host.example (192.0.2.1, 2001:db8::1)", str(self.successResultOf(result))
        )
        self.assertEqual(10, len(self.reactor.sent))
        self.assertEqual(([], []), (self.said, self.reactor.connections()))

    def test_onlyReached(self) -> None:
        """It names only the addresses that it could knock on."""
        self.reactor.unreachable = {HOST6}
        result = self.attempt()
        self.finishKnock()
        self.assertEqual("knocked on host.example (192.0.2.1)", str(self.successResultOf(result)))

    def test_payload(self) -> None:
        """It sends C{knock}, with the seconds, rounded up, if the user asks for a time."""
        for seconds, payload in ((0.0, b"knock\n"), (600.0, b"knock 600\n"), (1.2, b"knock 2\n")):
            self.reactor.sent.clear()
            self.attempt(seconds=seconds)
            self.finishKnock()
            self.assertEqual({payload}, {sent[3] for sent in self.reactor.sent})

    def test_family(self) -> None:
        """It knocks over one family only if the user asks for that."""
        for family, address in ((4, HOST4), (6, HOST6)):
            self.reactor.sent.clear()
            self.attempt(family=family)
            self.finishKnock()
            self.assertEqual({address}, {sent[1] for sent in self.reactor.sent})

    def test_noAddress(self) -> None:
        """Without an address nothing is sent."""
        self.names.addresses = []
        self.failureResultOf(self.attempt(), KnockError)
        self.assertEqual([], self.reactor.sent)

    def test_waits(self) -> None:
        """
        With a port, it watches after the last knock, and says which address answered, and when.
        """
        result = self.attempt(port=22)
        self.assertEqual([], self.reactor.connections())
        self.finishKnock()
        self.reactor.advance(0.25)
        self.assertNoResult(result)
        self.accept()
        self.assertEqual(
            "22/tcp of host.example opened 250ms after the knock (2001:db8::1)",
            str(self.successResultOf(result)),
        )

    def accept(self, index: int = -1) -> FakeConnection:
        """Let a try to connect succeed, to a server that says its version."""
        connection = self.reactor.accept(index)
        connection.protocol.dataReceived(b"SSH-2.0-OpenSSH_9.2\r\n")
        return connection

    def test_knocksAgain(self) -> None:
        """If nothing answers in time, it knocks again, and says so."""
        result = self.attempt(port=22)
        self.finishKnock()
        self.reactor.advance(5)
        self.assertEqual(["no answer yet, knocking again (2 left)"], self.said)
        self.finishKnock()
        self.assertEqual(20, len(self.reactor.sent))
        self.accept()
        self.assertIn("opened", str(self.successResultOf(result)))

    def test_gaveUp(self) -> None:
        """After the last try it fails with an error that says what to check."""
        result = self.attempt(port=22, tries=2)
        for _ in range(2):
            self.finishKnock()
            self.reactor.advance(5)
        self.assertEqual(
            "22/tcp of host.example did not answer within 5s (knocked 2 times): check that the "
            "sequence is right, that the knocks reach the host, and that its daemon protects that "
            "port; see the daemon's log",
            str(self.failureResultOf(result, KnockError).value),
        )
        self.assertEqual(["no answer yet, knocking again (1 left)"], self.said)
        self.assertEqual((20, []), (len(self.reactor.sent), self.reactor.getDelayedCalls()))

    def test_once(self) -> None:
        """With one try it knocks once."""
        result = self.attempt(port=22, tries=1, timeout=0.5)
        self.finishKnock()
        self.reactor.advance(0.5)
        error = self.failureResultOf(result, KnockError).value
        self.assertIn("did not answer within 500ms (knocked once): ", str(error))
        self.assertEqual(10, len(self.reactor.sent))

    def test_refused(self) -> None:
        """If connections are refused at the end, the error says what that means."""
        result = self.attempt(port=22, tries=1)
        self.finishKnock()
        self.reactor.reject(ConnectionRefusedError())
        self.reactor.advance(5)
        self.assertEqual(
            "host.example refuses connections to 22/tcp: "
            "the door is probably open, but nothing listens on that port",
            str(self.failureResultOf(result, KnockError).value),
        )

    def test_watchesOnlyReached(self) -> None:
        """It watches only the addresses that it could knock on."""
        self.reactor.unreachable = {HOST6}
        self.attempt(port=22)
        self.finishKnock()
        self.assertEqual([(HOST4, 22)], self.reactor.connections())

    def test_wasOpen(self) -> None:
        """A port that answers before the knock was open already; the client knocks all the same."""
        result = self.attempt(port=22, look=0.1)
        self.assertEqual([], self.reactor.sent)
        self.accept(0)
        self.finishKnock()
        outcome = self.successResultOf(result)
        self.assertEqual("22/tcp of host.example was open already (192.0.2.1)", str(outcome))
        self.assertEqual((True, 10), (outcome.wasOpen, len(self.reactor.sent)))

    def test_silentServer(self) -> None:
        """A server that does not speak first is not waited for long; the connection is dropped."""
        result = self.attempt(port=80)
        self.finishKnock()
        connection = self.reactor.accept()
        self.assertNoResult(result)
        self.reactor.advance(0.3)
        self.successResultOf(result)
        self.assertTrue(connection.disconnected)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_penalty(self) -> None:
        """The outcome explains what sshd says to addresses that it penalizes."""
        result = self.attempt(port=22)
        self.finishKnock()
        self.reactor.accept().protocol.dataReceived(b"Not allowed at this time\r\n")
        self.assertIn("PerSourcePenalties", self.successResultOf(result).note)

    def test_ends(self) -> None:
        """At the end no try goes on, no timer runs, and no socket is open."""
        result = self.attempt(port=22)
        self.finishKnock()
        self.reactor.advance(0.01)
        self.accept(2)
        self.successResultOf(result)
        stopped = [connector.stoppedConnecting for connector in self.reactor.connectors]
        self.assertEqual([True, True, False, True], stopped)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([False, False], [port.isOpen for port in self.reactor.udpPorts])

    def test_cancelled(self) -> None:
        """The same is true if somebody gives it up."""
        result = self.attempt(port=22)
        self.finishKnock()
        result.cancel()
        self.failureResultOf(result)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual({True}, {each.stoppedConnecting for each in self.reactor.connectors})

    def test_otherFailure(self) -> None:
        """A try that fails otherwise is no refusal, and the next one can succeed."""
        result = self.attempt(port=22)
        self.finishKnock()
        self.reactor.reject(ConnectError(osError=113))
        self.reactor.advance(0.01)
        self.accept()
        self.successResultOf(result)

    def test_noIPv6(self) -> None:
        """A kernel without IPv6 is the same as an address that cannot be reached."""
        self.reactor.isIPv6Missing = True
        result = self.attempt()
        self.finishKnock()
        self.assertEqual((HOST4,), self.successResultOf(result).knocked)
        self.names.addresses = [HOST6]
        error = self.failureResultOf(self.attempt(), KnockError).value
        self.assertIn("cannot knock on 2001:db8::1: ", str(error))
