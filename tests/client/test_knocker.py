"""Tests of L{pkdoors.client._knocker} and L{pkdoors.client.attempt}."""

import socket
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client._knocker import Knocker, resolve
from pkdoors.client._plan import Sending, planPlain
from pkdoors.client._portwatch import PortWatch
from pkdoors.client.attempt import Attempt
from pkdoors.client.methods import PlainMethod
from pkdoors.errors import KnockError
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS
from tests.fakes.reactor import FakeReactor

HOST4, HOST6 = "192.0.2.1", "2001:db8::1"


class FakeNames:
    """
    The system's names, in place of L{socket.getaddrinfo}.
    """

    def __init__(self, test: SynchronousTestCase, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[tuple[str, int]] = []
        test.patch(socket, "getaddrinfo", self)

    def __call__(
        self, host: str, port: None, family: int, kind: int
    ) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
        self.asked.append((host, family))
        found = []
        for address in self.addresses:
            which = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family in (which, socket.AF_UNSPEC):
                rest = (0, 0, 0) if which == socket.AF_INET6 else (0,)
                found.append((int(which), kind, 17, "", (address, *rest)))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found


class ResolveTests(SynchronousTestCase):
    """
    Tests of L{resolve}.
    """

    def setUp(self) -> None:
        """Make a reactor."""
        self.reactor = FakeReactor()

    def resolve(self, host: str, family: int = socket.AF_UNSPEC) -> Deferred[list[str]]:
        """Resolve a name, with the answer ready."""
        result = Deferred.fromCoroutine(resolve(self.reactor, host, family))
        self.assertNoResult(result)
        self.reactor.advance(0)
        return result

    def test_both(self) -> None:
        """All addresses of both families are found, in the system's order."""
        FakeNames(self, HOST6, HOST4, "192.0.2.2")
        self.assertEqual(
            [HOST6, HOST4, "192.0.2.2"], self.successResultOf(self.resolve("host.example"))
        )

    def test_family(self) -> None:
        """Only addresses of one family are found if the caller asks for that."""
        FakeNames(self, HOST6, HOST4)
        for family, address in ((socket.AF_INET, HOST4), (socket.AF_INET6, HOST6)):
            found = self.successResultOf(self.resolve("host.example", family))
            self.assertEqual([address], found)

    def test_once(self) -> None:
        """An address that is listed twice is knocked on once."""
        FakeNames(self, HOST4, HOST4)
        self.assertEqual([HOST4], self.successResultOf(self.resolve("host.example")))

    def test_bound(self) -> None:
        """No more than eight addresses are used."""
        FakeNames(self, *(f"192.0.2.{number}" for number in range(1, 100)))
        self.assertEqual(
            [f"192.0.2.{number}" for number in range(1, 9)],
            self.successResultOf(self.resolve("host.example")),
        )

    def test_unicast(self) -> None:
        """An address that is not one host's is left out, whoever listed it."""
        others = ("ff02::1", "::", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::ffff:224.0.0.1")
        FakeNames(self, *others, HOST6, "0.1.2.3", HOST4, "ff0e::1%2")
        self.assertEqual([HOST6, HOST4], self.successResultOf(self.resolve("host.example")))

    def test_unicastFirst(self) -> None:
        """Such addresses do not count among the eight."""
        FakeNames(self, *(f"224.0.0.{number}" for number in range(1, 100)), HOST4)
        self.assertEqual([HOST4], self.successResultOf(self.resolve("host.example")))

    def test_noneUnicast(self) -> None:
        """If there is no other address, that is one sentence."""
        FakeNames(self, "ff02::1", "0.0.0.0")
        error = self.failureResultOf(self.resolve("all.example"), KnockError).value
        self.assertEqual(
            "'all.example' is ff02::1, 0.0.0.0, which is not the address of one host: give the "
            "address of the host itself",
            str(error),
        )

    def test_none(self) -> None:
        """A name without an address is one sentence, which quotes it."""
        FakeNames(self)
        error = self.failureResultOf(self.resolve("host\n.example"), KnockError).value
        self.assertEqual(
            "no address found for 'host\\n.example': Name or service not known", str(error)
        )

    def test_noneOfFamily(self) -> None:
        """The same is true without an address of the family that was asked for."""
        FakeNames(self, HOST4)
        error = self.failureResultOf(self.resolve("h", socket.AF_INET6), KnockError).value
        self.assertEqual("no IPv6 address found for 'h': Name or service not known", str(error))

    def test_noName(self) -> None:
        """A text that cannot be a name is the same error."""

        def refuse(*arguments: object) -> None:
            raise UnicodeError("label empty or too long")

        self.patch(socket, "getaddrinfo", refuse)
        error = self.failureResultOf(self.resolve("a" * 70), KnockError).value
        self.assertIn("label empty or too long", str(error))


class KnockerTests(SynchronousTestCase):
    """
    Tests of L{Knocker}.
    """

    def setUp(self) -> None:
        """Make a reactor."""
        self.reactor = FakeReactor()

    def knock(self, *addresses: str, interval: float = 0.5) -> Deferred[list[str]]:
        """Begin to knock."""

        async def plan(address: str) -> Iterable[Sending]:
            return planPlain(Sequence(PORTS), b"knock\n", interval)

        knocker = Knocker(self.reactor, plan)
        return Deferred.fromCoroutine(knocker.knock(addresses))

    def test_order(self) -> None:
        """Each port gets one datagram, in order, with the interval between."""
        result = self.knock(HOST4)
        self.reactor.pump([0.5] * 4)
        self.assertEqual(
            [
                (0.0, HOST4, 17001, b"knock\n"),
                (0.5, HOST4, 17203, b"knock\n"),
                (1.0, HOST4, 17005, b"knock\n"),
                (1.5, HOST4, 17404, b"knock\n"),
                (2.0, HOST4, 17002, b"knock\n"),
            ],
            self.reactor.sent,
        )
        self.assertEqual([HOST4], self.successResultOf(result))

    def test_doneWithTheLast(self) -> None:
        """It ends with the last datagram, not before, and does not wait after it."""
        result = self.knock(HOST4)
        self.reactor.pump([0.5] * 3)
        self.assertNoResult(result)
        self.reactor.advance(0.5)
        self.successResultOf(result)

    def test_bothFamilies(self) -> None:
        """IPv4 and IPv6 are knocked on at the same time."""
        result = self.knock(HOST6, HOST4)
        self.assertEqual(
            {(0.0, HOST4, 17001), (0.0, HOST6, 17001)},
            {sent[:3] for sent in self.reactor.sent},
        )
        self.reactor.pump([0.5] * 4)
        self.assertEqual([HOST6, HOST4], self.successResultOf(result))
        self.assertEqual(2.0, self.reactor.sent[-1][0])

    def test_oneAfterAnother(self) -> None:
        """Several addresses of one family come one after another: they may belong to one host."""
        result = self.knock(HOST4, "192.0.2.2")
        self.reactor.pump([0.5] * 8)
        self.successResultOf(result)
        self.assertEqual([HOST4] * 5 + ["192.0.2.2"] * 5, [sent[1] for sent in self.reactor.sent])
        self.assertEqual(PORTS * 2, tuple(sent[2] for sent in self.reactor.sent))

    def test_oneSource(self) -> None:
        """All datagrams to an address leave from one port, which is closed afterwards."""
        self.knock(HOST4)
        self.reactor.pump([0.5] * 4)
        self.assertEqual([False], [port.isOpen for port in self.reactor.udpPorts])

    def test_oneUnreachable(self) -> None:
        """
        If one family is unreachable, that does not matter; the result names the reached addresses.
        """
        self.reactor.unreachable = {HOST6}
        result = self.knock(HOST6, HOST4)
        self.reactor.pump([0.5] * 4)
        self.assertEqual([HOST4], self.successResultOf(result))
        self.assertEqual([False, False], [port.isOpen for port in self.reactor.udpPorts])

    def test_nextAddress(self) -> None:
        """If one address is unreachable, the next of its family is knocked on."""
        self.reactor.unreachable = {HOST4}
        result = self.knock(HOST4, "192.0.2.2")
        self.reactor.pump([0.5] * 4)
        self.assertEqual(["192.0.2.2"], self.successResultOf(result))

    def test_noneReachable(self) -> None:
        """If no address can be reached, that is an error with the reason."""
        self.reactor.unreachable = {HOST4, HOST6}
        error = self.failureResultOf(self.knock(HOST4, HOST6), KnockError).value
        self.assertRegex(
            str(error), r"\Acannot knock on (192.0.2.1|2001:db8::1): Network is unreachable\Z"
        )

    def test_noIPv6(self) -> None:
        """A kernel without IPv6 is the same as an address that cannot be reached."""
        self.reactor.isIPv6Missing = True
        result = self.knock(HOST6, HOST4)
        self.reactor.pump([0.5] * 4)
        self.assertEqual([HOST4], self.successResultOf(result))

    def test_noIPv6AtAll(self) -> None:
        """If that was the only address, the error is one sentence."""
        self.reactor.isIPv6Missing = True
        error = self.failureResultOf(self.knock(HOST6), KnockError).value
        self.assertIn("cannot knock on 2001:db8::1: ", str(error))

    def test_noInterval(self) -> None:
        """An interval of 0 keeps the order."""
        result = self.knock(HOST4, interval=0.0)
        self.reactor.pump([0.0] * 4)
        self.successResultOf(result)
        self.assertEqual(PORTS, tuple(sent[2] for sent in self.reactor.sent))


class WatchTests(SynchronousTestCase):
    """
    Tests of L{PortWatch}.
    """

    def setUp(self) -> None:
        """Make a reactor."""
        self.reactor = FakeReactor()

    def watch(self, *addresses: str) -> Deferred[str | None]:
        """Watch port 22 for 5 seconds."""
        self.watching = PortWatch(self.reactor, addresses, 22)
        return self.watching.start(5.0)

    def stopped(self) -> list[bool]:
        """Return for each connection that was tried whether the try was given up."""
        return [connector.stoppedConnecting for connector in self.reactor.connectors]

    def test_tries(self) -> None:
        """It tries all addresses at once."""
        self.watch(HOST4, HOST6)
        self.assertEqual([(HOST4, 22), (HOST6, 22)], self.reactor.connections())

    def test_pace(self) -> None:
        """It tries again after 10 ms, then after twice the pause each time, up to half a second."""
        self.watch(HOST4)
        tried = []
        for _ in range(5000):
            before = len(self.reactor.connections())
            self.reactor.advance(0.001)
            if len(self.reactor.connections()) > before:
                tried.append(round(self.reactor.seconds(), 2))
        self.assertEqual([0.01, 0.03, 0.07, 0.15, 0.31, 0.63, 1.13, 1.63], tried[:8])

    def test_answer(self) -> None:
        """It ends at the first answer, and hangs up."""
        result = self.watch(HOST4, HOST6)
        transport = self.reactor.accept(1)
        self.assertEqual(HOST6, self.successResultOf(result))
        self.assertTrue(transport.disconnected)

    def test_cancelsTheRest(self) -> None:
        """After that no try goes on and no timer runs."""
        self.watch(HOST4, HOST6)
        self.reactor.advance(0.01)
        self.reactor.accept(2)
        self.assertEqual([True, True, False, True], self.stopped())
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_earlierTry(self) -> None:
        """An answer to an earlier try counts as well."""
        result = self.watch(HOST4)
        self.reactor.pump([0.01, 0.02, 0.04])
        self.reactor.accept(0)
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_timeout(self) -> None:
        """Without an answer it ends with L{None} when its time is over, and gives up all tries."""
        result = self.watch(HOST4)
        self.reactor.advance(4.9)
        self.assertNoResult(result)
        self.reactor.advance(0.1)
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual({True}, set(self.stopped()))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_refused(self) -> None:
        """A refused connection does not end it, but is remembered."""
        result = self.watch(HOST4)
        self.reactor.reject(ConnectionRefusedError())
        self.assertNoResult(result)
        self.assertTrue(self.watching.refused)
        self.reactor.advance(0.01)
        self.reactor.accept()
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_otherFailure(self) -> None:
        """Other failures do not end it either, and do not count as refusals."""
        result = self.watch(HOST4)
        self.reactor.reject(TimeoutError())
        self.reactor.advance(0.01)
        self.reactor.reject(ConnectError(osError=113))
        self.assertNoResult(result)
        self.assertFalse(self.watching.refused)

    def test_take(self) -> None:
        """A caller who wants the connection that answered gets it, and it is not dropped."""
        taken: list[object] = []
        result = PortWatch(self.reactor, [HOST4, HOST6], 22, taken.append).start(5.0)
        transport = self.reactor.accept(1)
        self.assertEqual(HOST6, self.successResultOf(result))
        self.assertEqual([transport], taken)
        self.assertFalse(transport.disconnected)

    def test_once(self) -> None:
        """It can try each address only once."""
        result = self.watchOnce()
        self.reactor.pump([0.1] * 49)
        self.assertEqual([(HOST4, 22), (HOST6, 22)], self.reactor.connections())
        self.reactor.accept(0)
        self.assertEqual(HOST4, self.successResultOf(result))

    def test_onceFailed(self) -> None:
        """Then it ends when all tries have failed, and not before."""
        result = self.watchOnce()
        self.reactor.reject(ConnectionRefusedError(), 0)
        self.assertNoResult(result)
        self.reactor.reject(ConnectError(osError=113), 1)
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_onceTimeout(self) -> None:
        """It also ends when its time is over."""
        result = self.watchOnce()
        self.reactor.advance(5)
        self.assertIsNone(self.successResultOf(result))

    def watchOnce(self) -> Deferred[str | None]:
        """Watch with one try of each address."""
        return PortWatch(self.reactor, [HOST4, HOST6], 22, once=True).start(5.0)

    def test_ownEndIsNoRefusal(self) -> None:
        """Giving up its tries does not count as a refusal."""
        self.watch(HOST4)
        self.reactor.advance(5)
        self.assertFalse(self.watching.refused)


class VisitTests(SynchronousTestCase):
    """
    Tests of L{Attempt}.
    """

    def setUp(self) -> None:
        """Make a reactor, and a host with two addresses."""
        self.reactor = FakeReactor()
        self.names = FakeNames(self, HOST4, HOST6)
        self.said: list[str] = []

    def attempt(self, seconds: float = 0.0, **fields: Any) -> Deferred[str]:
        """Begin an attempt."""
        defaults: dict[str, Any] = {
            "host": "host.example",
            "method": PlainMethod(Sequence(PORTS), seconds, 0.02),
            "family": None,
            "port": None,
            "timeout": 5.0,
            "tries": 3,
        }
        attempt = Attempt(**{**defaults, **fields})
        result = Deferred.fromCoroutine(attempt.run(self.reactor, self.said.append))
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
            "knocked on host.example (192.0.2.1, 2001:db8::1)", self.successResultOf(result)
        )
        self.assertEqual(10, len(self.reactor.sent))
        self.assertEqual(([], []), (self.said, self.reactor.connections()))

    def test_onlyReached(self) -> None:
        """It names only the addresses that it could knock on."""
        self.reactor.unreachable = {HOST6}
        result = self.attempt()
        self.finishKnock()
        self.assertEqual("knocked on host.example (192.0.2.1)", self.successResultOf(result))

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
        self.reactor.accept()
        self.assertEqual(
            "22/tcp of host.example is open (2001:db8::1, after 0.25 s)",
            self.successResultOf(result),
        )

    def test_knocksAgain(self) -> None:
        """If nothing answers in time, it knocks again, and says so."""
        result = self.attempt(port=22)
        self.finishKnock()
        self.reactor.advance(5)
        self.assertEqual(["no answer yet, knocking again (2 left)"], self.said)
        self.finishKnock()
        self.assertEqual(20, len(self.reactor.sent))
        self.reactor.accept()
        self.assertIn("is open", self.successResultOf(result))

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
