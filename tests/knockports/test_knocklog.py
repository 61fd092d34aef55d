"""Tests of L{pkdoors.knockports.knocklog}."""

from collections import deque
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import ListenError
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.knockports.knocklog import MOST, KnockLog
from pkdoors.knockports.plan import Plan
from pkdoors.knocks.knock import Knock
from pkdoors.locks.repeats import SENT_AGAIN
from pkdoors.model.knockports import TcpPort
from tests.fakes.reactor import FakeReactor
from tests.lab.packets import makeDatagram, makeLogged, makeSyn

A, B = 17001, 17203
HOST, HERE = "203.0.113.9", "192.0.2.1"


class FakeLog:
    """
    A L{pkdoors.firewall.netlink.logsocket.LogSocket}.

    @ivar inbox: the messages that come next.
    @ivar drops: how many found the buffer full.
    """

    group = 4711

    def __init__(self) -> None:
        self.inbox: deque[bytes] = deque()
        self.drops = 0
        self.isOpen = True

    def fileno(self) -> int:
        """Return a number."""
        return 7 if self.isOpen else -1

    def receive(self) -> bytes:
        """Return the next message."""
        assert self.isOpen, "read from a socket that is closed"
        if not self.inbox:
            raise BlockingIOError
        return self.inbox.popleft()

    def countDrops(self) -> int:
        """Return how many were dropped."""
        return self.drops

    def close(self) -> None:
        """Be closed."""
        self.isOpen = False


class KnockLogTests(SynchronousTestCase):
    """Tests of L{KnockLog}."""

    def setUp(self) -> None:
        """Make a log that hears two ports."""
        self.reactor = FakeReactor()
        self.turns: list[list[Knock]] = []
        self.source = FakeLog()
        self.number = 0
        self.log = self.make()

    def make(self) -> KnockLog:
        """Return a log."""
        source: Any = self.source
        log = PacketLog(lambda: source)
        return KnockLog(self.reactor, self.turns.append, log, lambda number: f"eth{number}")

    def put(
        self, port: int = A, payload: bytes = b"knock\n", to: str = HERE, stamp: int = 0
    ) -> None:
        """Let a packet come."""
        kind, packet = makeDatagram(port, payload, HOST if "." in to else "2001:db8::7", to)
        self.source.inbox.append(makeLogged(kind, packet, self.number, stamp))
        self.number += 1

    def heard(self) -> list[Knock]:
        """Read in one turn. Return the knocks that were heard."""
        self.turns.clear()
        self.log.doRead()
        self.assertLessEqual(len(self.turns), 1)
        return self.turns[0] if self.turns else []

    def test_interface(self) -> None:
        """The reactor can read it; before it is opened, there is nothing to read."""
        verifyObject(IReadDescriptor, self.log)
        self.assertEqual((-1, "knock"), (self.log.fileno(), self.log.logPrefix()))
        self.log.doRead()
        self.assertEqual((0, []), (self.log.newDrops(), self.log.troubles()))

    def test_listen(self) -> None:
        """The reactor reads it from the first plan on."""
        self.assertEqual([], self.reactor.getReaders())
        self.log.listen(Plan((A, B)))
        self.assertEqual(([self.log], 7), (self.reactor.getReaders(), self.log.fileno()))
        self.log.listen(Plan((A,)))
        self.assertEqual([self.log], self.reactor.getReaders())

    def putSyn(self, port: int = A, number: int = 1, sourcePort: int = 40000, **how: Any) -> None:
        """Let a SYN come."""
        kind, packet = makeSyn(port, number, sourcePort, **how)
        self.source.inbox.append(makeLogged(kind, packet, self.number, 5000))
        self.number += 1

    def test_tcp(self) -> None:
        """A SYN is a knock without a payload; UDP ports and TCP ports are different ones."""
        self.log.listen(Plan((A,), tcpPorts=(A, B)))
        self.putSyn(A, 1)
        self.put(A)
        self.putSyn(B, 2, source="2001:db8::7", destination="2001:db8::1")
        self.put(B)
        self.assertEqual(
            [
                Knock(HOST, TcpPort(A), b"", 5000),
                Knock(HOST, A, b"knock\n", 0),
                Knock("2001:db8::7", TcpPort(B), b"", 5000),
            ],
            self.heard(),
        )
        self.log.listen(Plan((A,), tcpPorts=(B,)))
        self.putSyn(A, 3)
        self.assertEqual([], self.heard())

    def test_otherSegments(self) -> None:
        """A segment with other flags, or data, is not a knock."""
        self.log.listen(Plan((), tcpPorts=(A,)))
        for flags in (0, 1, 4, 0x10, 0x12, 0x03, 0x06, 0x0A, 0x22, 0x3F):
            self.putSyn(flags=flags)
        self.putSyn(data=b"data")
        self.assertEqual([], self.heard())

    def test_sentAgain(self) -> None:
        """A SYN counts once, however often it is sent again; another one counts again."""
        self.log.listen(Plan((), tcpPorts=(A, B)))
        for _ in range(7):
            self.putSyn()
        self.assertEqual(1, len(self.heard()))
        self.reactor.advance(SENT_AGAIN - 1)
        self.putSyn()
        self.assertEqual([], self.heard())
        self.putSyn(number=2)
        self.putSyn(sourcePort=40001)
        self.putSyn(port=B)
        self.putSyn(source="203.0.113.10")
        self.assertEqual(4, len(self.heard()))
        self.reactor.advance(1)
        self.putSyn()
        self.assertEqual(1, len(self.heard()))

    def test_onlyOurAddresses(self) -> None:
        """A SYN to an address that is not heard does not count, and is not remembered."""
        self.log.listen(Plan((), ("192.0.2.2",), tcpPorts=(A,)))
        self.putSyn()
        self.assertEqual([], self.heard())
        self.log.listen(Plan((), (HERE,), tcpPorts=(A,)))
        self.putSyn()
        self.assertEqual(1, len(self.heard()))

    def test_order(self) -> None:
        """Knocks on all ports come in the order of the log, whatever their time, in one turn."""
        self.log.listen(Plan((A, B)))
        turns: list[int] = []
        self.log.onTurn = lambda: turns.append(len(self.turns))
        self.put(A, stamp=9000)
        self.put(B, stamp=8000)
        self.put(A, to="2001:db8::1")
        expected = [
            Knock(HOST, A, b"knock\n", 9000),
            Knock(HOST, B, b"knock\n", 8000),
            Knock("2001:db8::7", A, b"knock\n", 0),
        ]
        self.assertEqual(expected, self.heard())
        self.assertEqual([1], turns)
        self.assertEqual([], self.heard())

    def test_others(self) -> None:
        """What is no datagram to one of the ports is passed over."""
        self.log.listen(Plan((A,)))
        self.put(B)
        self.source.inbox.append(b"garbage")
        self.source.inbox.append(makeLogged(0x800, b"garbage", 1))
        self.number = 2
        self.assertEqual([], self.heard())
        self.put()
        self.assertEqual(1, len(self.heard()))

    def test_change(self) -> None:
        """Another plan takes the place of the first, without a gap."""
        self.log.check(Plan((A, B)))
        self.log.listen(Plan((A,)))
        self.put(B)
        self.log.giveUp(self.successResultOf(self.log.search(Plan((B,)))))
        self.assertEqual([], self.heard())
        self.successResultOf(self.log.use(self.successResultOf(self.log.search(Plan((B,))))))
        self.assertEqual((B,), self.log.plan.ports)
        self.put(A)
        self.put(B)
        self.log.retry()
        self.assertEqual([B], [knock.port for knock in self.heard()])

    def test_destinations(self) -> None:
        """Only knocks to the chosen addresses are heard."""
        self.log.listen(Plan((A,), ("192.0.2.1",)))
        self.put(to="192.0.2.2")
        self.put(to="2001:db8::1")
        self.assertEqual([], self.heard())
        self.put()
        self.assertEqual(1, len(self.heard()))

    def test_scope(self) -> None:
        """An address on one interface is heard there."""
        self.log.listen(Plan((A,), ("fe80::1%eth2", "fe80::2%eth9")))
        self.put(to="fe80::1")
        self.put(to="fe80::2")
        self.assertEqual(1, len(self.heard()))

    def test_turn(self) -> None:
        """A flood gets so many packets a turn; then others get their turn."""
        self.log.listen(Plan((A,)))
        for _ in range(MOST + 1):
            self.put()
        self.assertEqual([MOST, 1], [len(self.heard()), len(self.heard())])

    def test_losses(self) -> None:
        """Gaps in the numbers and the kernel's count are the same losses, counted once."""
        self.log.listen(Plan((A,)))
        self.number = 2**32 - 1
        self.put()
        self.heard()
        self.assertEqual(0, self.log.newDrops())
        self.source.drops = 3
        self.assertEqual(3, self.log.newDrops())
        self.number = 3  # 0, 1 and 2 were lost
        self.put()
        self.heard()
        self.assertEqual(0, self.log.newDrops())
        self.number = 6
        self.put()
        self.heard()
        self.assertEqual([2, 0], [self.log.newDrops(), self.log.newDrops()])

    def test_stop(self) -> None:
        """The end gives the group back."""
        self.log.listen(Plan((A,)))
        self.log.stop()
        self.log.connectionLost(Failure(ListenError("stopped")))
        self.assertEqual(([], False), (self.reactor.getReaders(), self.source.isOpen))

    def test_stopBeforeTheStart(self) -> None:
        """A log that was never opened has nothing to give back."""
        self.log.stop()
        self.assertTrue(self.source.isOpen)
