"""Tests of L{pkdoors.knockports.knockports}."""

import errno
import socket

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import descriptors
from pkdoors.knockports import binding, plan
from pkdoors.knockports.knockports import RETRY_LAST, KnockPorts
from pkdoors.knockports.plan import Plan
from pkdoors.knocks.knock import Knock
from tests.fakes.host import FakeHost, FakeSocket
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

LATER = "198.51.100.1"
"""An address that the host does not have at first."""


def refuse(*arguments: object) -> None:
    """Refuse, as a kernel does that has no memory for it."""
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


class KnockPortsTestCase(SynchronousTestCase):
    """
    With a host.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        self.heard: list[Knock] = []
        self.changes = 0
        self.ports = KnockPorts(self.reactor, self.heard.extend)
        self.ports.onChange = self.changed

    def changed(self) -> None:
        """The troubles did."""
        self.changes += 1

    def receive(self, interface: str, port: int, source: str) -> None:
        """A knock comes."""
        bound = self.host.find(interface, port)
        bound.reorderer.append((b"knock\n", (source, 5555)))
        readers = {each.fileno(): each for each in self.reactor.getReaders()}
        readers[bound.fileno()].doRead()
        self.reactor.advance(0)


class ListenTests(KnockPortsTestCase):
    """
    All can be had.
    """

    def setUp(self) -> None:
        """Listen on two ports."""
        super().setUp()
        self.ports.listen(Plan((17001, 17002)))

    def test_hears(self) -> None:
        """Each port hands on its knocks, of both families."""
        self.receive("0.0.0.0", 17002, "203.0.113.9")
        self.receive("::", 17001, "2001:db8::7")
        self.assertEqual(
            [
                Knock("203.0.113.9", 17002, b"knock\n", 1_800_000_000_000_000_000),
                Knock("2001:db8::7", 17001, b"knock\n", 1_800_000_000_000_000_001),
            ],
            self.heard,
        )

    def test_quiet(self) -> None:
        """Nothing is logged, and nothing ever wakes up."""
        self.receive("0.0.0.0", 17002, "203.0.113.9")
        self.ports.stop()
        self.assertEqual(([], 0), (self.log.lines(), self.changes))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_noFilters(self) -> None:
        """Where the kernel takes no filters, that is one warning, and all is heard."""
        self.host.filtersNothing = True
        self.ports.listen(Plan((17003, 17004), filters={17003: b"program.", 17004: b"program."}))
        self.assertEqual(
            [
                "this kernel does not filter datagrams for the knock ports (Protocol not "
                "available): everything works without that, but a flood of junk costs more, and "
                "knocks to other addresses may be heard, too"
            ],
            self.log.lines(),
        )
        self.receive("0.0.0.0", 17004, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_filterRefused(self) -> None:
        """A filter that is refused leaves no older one, which may drop what is a knock now."""
        self.ports.listen(Plan((17001,), filters={17001: b"program."}))
        self.patch(FakeSocket, "_attach", refuse)
        self.ports.listen(Plan((17001,), filters={17001: b"another."}))
        self.assertEqual(b"", self.host.find("0.0.0.0", 17001).program)

    def test_takeDrops(self) -> None:
        """What the ports have dropped is told once, and not forgotten with a port."""
        self.host.find("0.0.0.0", 17001).drops = 5
        self.host.find("::", 17002).drops = 7
        self.assertEqual([12, 0], [self.ports.newDrops() for _ in range(2)])
        self.host.find("0.0.0.0", 17001).drops = 9
        self.ports.listen(Plan((17002,)))
        self.assertEqual([4, 0], [self.ports.newDrops() for _ in range(2)])

    def test_stop(self) -> None:
        """Stopping ends the reading and gives the ports back; twice is no error."""
        self.assertEqual(4, len(self.reactor.getReaders()))
        for _ in range(2):
            self.ports.stop()
            self.assertEqual(([], []), (self.reactor.getReaders(), self.host.bound()))

    def test_follows(self) -> None:
        """Another plan takes what is new first, and gives back what is not wanted at the end."""
        search = self.ports.search(Plan((17002, 17003)))
        self.assertEqual({17001, 17002, 17003}, {port for _, port in self.host.bound()})
        self.assertEqual(4, len(self.reactor.getReaders()))
        self.host.find("0.0.0.0", 17001).reorderer.append((b"knock\n", ("203.0.113.9", 5)))
        self.ports.use(search)
        self.reactor.advance(0)
        self.assertEqual({17002, 17003}, {port for _, port in self.host.bound()})
        self.assertEqual(4, len(self.reactor.getReaders()))
        self.assertEqual([17001], [knock.port for knock in self.heard])  # what waited there

    def test_givenUp(self) -> None:
        """A plan that is not used changes nothing."""
        before = self.host.bound()
        self.ports.giveUp(self.ports.search(Plan((17003,), ("192.0.2.1",))))
        self.assertEqual(before, self.host.bound())
        self.assertEqual((17001, 17002), self.ports.plan.ports)

    def test_filters(self) -> None:
        """A port that both plans have hears from then on what the second one says."""
        self.ports.listen(Plan((17001, 17003), filters={17001: b"changed.", 17003: b"program."}))
        programs = [self.host.find("0.0.0.0", port).program for port in (17001, 17003)]
        self.assertEqual([b"changed.", b"program."], programs)
        self.ports.listen(Plan((17001,)))
        self.assertEqual(b"", self.host.find("0.0.0.0", 17001).program)


class MissingTests(KnockPortsTestCase):
    """
    Something is missing.
    """

    def test_busy(self) -> None:
        """A busy port is one warning, without its number, however long; and one line at the end."""
        self.host.take(17001)
        self.ports.listen(Plan((17001, 17002)))
        for _ in range(100):
            self.reactor.advance(1)
        (line,) = self.log.lines(LogLevel.warn)
        self.assertEqual(
            "1 of 2 knock ports is not heard over IPv4: another program uses those that are "
            "missing (`pkdoors check` shows which): stop that program, or use other knock ports",
            line,
        )
        self.assertEqual([line], self.ports.troubles())
        self.host.sockets[0].close()
        self.reactor.advance(RETRY_LAST)
        self.assertEqual(
            ["1 of 2 knock ports was not heard over IPv4, and is heard now"],
            self.log.lines(LogLevel.info),
        )
        self.assertEqual(([], 2), (self.ports.troubles(), self.changes))
        self.receive("0.0.0.0", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.heard))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_soon(self) -> None:
        """It is tried again after a second at first, then ever less often."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        waits = []
        for _ in range(7):
            (call,) = self.reactor.getDelayedCalls()
            waits.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
        self.assertEqual([1, 2, 4, 8, 16, 30, 30], waits)

    def test_soonAgain(self) -> None:
        """Once something was had, the next trouble is tried again soon, too."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        self.reactor.pump([1, 2, 4, 8])
        self.host.sockets[0].close()
        self.reactor.advance(16)
        self.assertEqual([], self.ports.troubles())
        self.host.take(17002)
        self.ports.listen(Plan((17001, 17002)))
        (call,) = self.reactor.getDelayedCalls()
        self.assertEqual(1, call.getTime() - self.reactor.seconds())

    def test_givenUp(self) -> None:
        """When another plan is given up, what is missing of this one is tried on."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        self.ports.giveUp(self.ports.search(Plan((17003,))))
        self.host.sockets[0].close()
        self.reactor.advance(RETRY_LAST)
        self.assertEqual([], self.ports.troubles())

    def test_freeAndBusyAgain(self) -> None:
        """A port that is free for a moment and busy again is no event; it is tried on."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        for _ in range(3):
            self.host.sockets[0].close()
            self.host.sockets[0].isOpen = True  # somebody else was faster
            self.reactor.advance(4)
        self.assertEqual(1, len(self.log.lines()))

    def test_busyThere(self) -> None:
        """Where it is busy at one of the addresses only, that is named."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.ports.listen(Plan((17001,), ("127.0.0.1", "192.0.2.1")))
        (line,) = self.log.lines()
        self.assertTrue(line.startswith("1 of 1 knock ports is not heard at 127.0.0.1: "), line)
        self.receive("192.0.2.1", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_partly(self) -> None:
        """Where one of two is free again, that is heard at once, and nothing is said."""
        for port in (17001, 17002):
            self.host.take(port)
        self.ports.listen(Plan((17001, 17002)))
        self.host.sockets[0].close()
        self.reactor.advance(1)
        self.receive("0.0.0.0", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.log.lines()))
        self.assertTrue(self.ports.troubles()[0].startswith("1 of 2 knock ports is"))

    def test_address(self) -> None:
        """An address that is not there is heard from the beginning; both ends are told."""
        self.ports.listen(Plan((17001,), (LATER, "192.0.2.1")))
        (line,) = self.log.lines(LogLevel.warn)
        self.assertTrue(line.startswith(f"this host does not have the address {LATER} yet"), line)
        program = self.host.find("0.0.0.0", 17001).program
        self.host.addresses.add(LATER)
        self.reactor.advance(1)
        self.assertEqual(program, self.host.find("0.0.0.0", 17001).program)
        self.assertEqual(
            [f"this host has the address {LATER} now: knocks to it are heard"],
            self.log.lines(LogLevel.info),
        )
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_scope(self) -> None:
        """An interface may go and come with another number, so that is looked at now and then."""
        self.ports.listen(Plan((17001,), ("fe80::1%lo",)))
        self.host.addresses.add("fe80::1%lo")
        program = self.host.find("::", 17001).program
        self.patch(plan, "_interfaceNumber", lambda scope: 77)
        self.reactor.pump([1, 1, RETRY_LAST])
        self.assertNotEqual(program, self.host.find("::", 17001).program)

    def test_scopeLater(self) -> None:
        """Also where nothing is missing; that wakes the daemon seldom."""
        self.host.addresses.add("fe80::1")
        self.ports.listen(Plan((17001,), ("fe80::1%lo",)))
        program = self.host.find("::", 17001).program
        self.patch(plan, "_interfaceNumber", lambda scope: 77)
        for _ in range(2):
            (call,) = self.reactor.getDelayedCalls()
            self.assertEqual(RETRY_LAST, call.getTime() - self.reactor.seconds())
            self.reactor.advance(RETRY_LAST)
        self.assertNotEqual(program, self.host.find("::", 17001).program)
        self.assertEqual([], self.log.lines())

    def test_absentOnly(self) -> None:
        """An address that is not there, and cannot be had before, is not told twice."""
        self.patch(binding, "_FREEBIND", {4: (socket.SOL_SOCKET, socket.SO_RCVBUF)})
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.ports.listen(Plan((17001,), (LATER,)))
        (line,) = self.log.lines()
        self.assertTrue(line.startswith(f"this host does not have the address {LATER} yet"), line)

    def test_absentAndBusy(self) -> None:
        """Where somebody has the port there, that is told: it will not be over with the address."""
        self.host.addresses.add(LATER)
        self.host.take(17001, LATER)
        self.host.addresses.remove(LATER)
        self.ports.listen(Plan((17001,), (LATER,)))
        (line,) = self.log.lines()
        self.assertIn(f"at {LATER}: another program uses those that are missing", line)

    def test_noIPv6(self) -> None:
        """A host without IPv6 that is to hear it, too, hears IPv4; that is one warning."""
        self.host.hasIPv6 = False
        self.ports.listen(Plan((17001,), ("192.0.2.1", "2001:db8::1")))
        (line,) = self.log.lines()
        self.assertIn("over IPv6: this host has no IPv6", line)
        self.receive("0.0.0.0", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_room(self) -> None:
        """So is more than the process may have."""
        for module in (descriptors, plan):
            self.patch(module, "getLimit", lambda: 20)
        self.ports.listen(Plan(tuple(range(1, 11))))
        (line,) = self.log.lines()
        self.assertIn("10 of 10 knock ports are not heard over IPv6: the knock ports need 20", line)
        self.assertEqual(10, len(self.reactor.getReaders()))

    def test_roomAfterwards(self) -> None:
        """Ports that are given back make room for others, at once and without a word."""
        for module in (descriptors, plan):
            self.patch(module, "getLimit", lambda: 40)
        self.ports.listen(Plan(tuple(range(1, 8))))
        self.ports.listen(Plan(tuple(range(101, 111))))
        self.assertEqual(([], []), (self.log.lines(), self.ports.troubles()))
        self.assertEqual(20, len(self.reactor.getReaders()))

    def test_unexpected(self) -> None:
        """Any other refusal of the kernel's is told as it is, and the rest is heard."""
        self.host.room = 3
        self.ports.listen(Plan((17001, 17002)))
        (line,) = self.log.lines()
        self.assertIn("this process has no file descriptor left", line)

    def test_stop(self) -> None:
        """After the end nothing is tried, whatever was under way."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        search = self.ports.search(Plan((17001, 17002)))
        self.ports.stop()
        self.ports.giveUp(search)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_notMeanwhile(self) -> None:
        """While another plan waits to be used, nothing is tried: it may have taken the port."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        self.host.sockets[0].close()
        search = self.ports.search(Plan((17001, 17002)))
        self.reactor.advance(100)
        self.ports.use(search)
        self.assertEqual([], self.ports.troubles())
        self.assertEqual(4, len(self.reactor.getReaders()))
