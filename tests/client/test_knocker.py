"""Tests of L{pkdoors.client._knocker}."""

import errno
import socket
from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client._knocker import Knocker, resolve, sendSyn
from pkdoors.client._plan import Sending, planPlain
from pkdoors.errors import KnockError
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, HOST6, FakeNames
from tests.fakes.doors import PORTS
from tests.fakes.reactor import FakeReactor


class SynTests(SynchronousTestCase):
    """
    Tests of L{sendSyn}, on this host.
    """

    def test_accepted(self) -> None:
        """A port that accepts gets a connection, which is given up."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            sendSyn("127.0.0.1", server.getsockname()[1])
            connection, _ = server.accept()
            with connection:
                self.assertEqual(b"", connection.recv(1))

    def test_refused(self) -> None:
        """A closed port is knocked on like another."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            sendSyn("127.0.0.1", taken.getsockname()[1])

    def test_error(self) -> None:
        """If nothing was sent, the reason is in words."""
        error = self.assertRaises(OSError, sendSyn, "255.255.255.255", 7)
        self.assertIn("unreachable", str(error.strerror))


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

    def test_tcp(self) -> None:
        """The knocks on TCP ports and those on UDP ports leave in the order of the sequence."""
        syns: list[tuple[float, str, int]] = []
        ports = (17001, TcpPort(7), TcpPort(17001), 8, TcpPort(9))

        async def plan(address: str) -> Iterable[Sending]:
            return planPlain(Sequence(ports), b"knock\n", 0.5)

        def sendSyn(address: str, port: int) -> None:
            syns.append((self.reactor.seconds(), address, port))

        result = Deferred.fromCoroutine(Knocker(self.reactor, plan, sendSyn).knock([HOST4]))
        self.reactor.pump([0.5] * 4)
        self.assertEqual([HOST4], self.successResultOf(result))
        self.assertEqual([(0.5, HOST4, 7), (1.0, HOST4, 17001), (2.0, HOST4, 9)], syns)
        self.assertEqual(
            [(0.0, 17001), (1.5, 8)], [(sent[0], sent[2]) for sent in self.reactor.sent]
        )

    def test_tcpFails(self) -> None:
        """An address without a route is one sentence."""

        async def plan(address: str) -> Iterable[Sending]:
            return planPlain(Sequence((TcpPort(7),) * 5), b"", 0.0)

        def sendSyn(address: str, port: int) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        result = Deferred.fromCoroutine(Knocker(self.reactor, plan, sendSyn).knock([HOST4]))
        error = self.failureResultOf(result, KnockError).value
        self.assertEqual(f"cannot knock on {HOST4}: Network is unreachable", str(error))

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
