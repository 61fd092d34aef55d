"""Tests of L{pkdoors.knockports.knockports}: something is missing."""

import socket

from twisted.logger import LogLevel

from pkdoors.host import descriptors
from pkdoors.knockports import binding, plan
from pkdoors.knockports.knockports import RETRY_LAST
from pkdoors.knockports.plan import Plan
from tests.knockports.portscase import LATER, KnockPortsTestCase


class MissingTests(KnockPortsTestCase):
    """
    Something is missing.
    """

    def test_busy(self) -> None:
        """
        A busy port is one warning, without its number, however long it lasts, and one line at the
        end.
        """
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
        """The daemon tries again after a second at first, then less and less often."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        waits = []
        for _ in range(7):
            (call,) = self.reactor.getDelayedCalls()
            waits.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
        self.assertEqual([1, 2, 4, 8, 16, 30, 30], waits)

    def test_soonAgain(self) -> None:
        """After a success, the next trouble is tried again soon, too."""
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
        """When another plan is given up, the daemon keeps trying what this one lacks."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        self.ports.giveUp(self.successResultOf(self.ports.search(Plan((17003,)))))
        self.host.sockets[0].close()
        self.reactor.advance(RETRY_LAST)
        self.assertEqual([], self.ports.troubles())

    def test_freeAndBusyAgain(self) -> None:
        """
        A port that is free for a moment and busy again is not an event; the daemon keeps trying.
        """
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        for _ in range(3):
            self.host.sockets[0].close()
            self.host.sockets[0].isOpen = True  # somebody else was faster
            self.reactor.advance(4)
        self.assertEqual(1, len(self.log.lines()))

    def test_busyThere(self) -> None:
        """If a port is busy at one of the addresses only, the line names that address."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.ports.listen(Plan((17001,), ("127.0.0.1", "192.0.2.1")))
        (line,) = self.log.lines()
        self.assertTrue(line.startswith("1 of 1 knock ports is not heard at 127.0.0.1: "), line)
        self.receive("192.0.2.1", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_partly(self) -> None:
        """When one of two is free again, it is heard at once, and nothing is logged."""
        for port in (17001, 17002):
            self.host.take(port)
        self.ports.listen(Plan((17001, 17002)))
        self.host.sockets[0].close()
        self.reactor.advance(1)
        self.receive("0.0.0.0", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.log.lines()))
        self.assertTrue(self.ports.troubles()[0].startswith("1 of 2 knock ports is"))

    def test_address(self) -> None:
        """
        A missing address is heard from the beginning; the log says when it is missing and when it
        comes.
        """
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
        """
        An interface may go and come back with another number, so the daemon looks now and then.
        """
        self.ports.listen(Plan((17001,), ("fe80::1%lo",)))
        self.host.addresses.add("fe80::1%lo")
        program = self.host.find("::", 17001).program
        self.patch(plan, "_interfaceNumber", lambda scope: 77)
        self.reactor.pump([1, 1, RETRY_LAST])
        self.assertNotEqual(program, self.host.find("::", 17001).program)

    def test_scopeLater(self) -> None:
        """It looks even if nothing is missing; that seldom wakes the daemon."""
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
        """A missing address that cannot be bound in advance is not reported twice."""
        self.patch(binding, "_FREEBIND", {4: (socket.SOL_SOCKET, socket.SO_RCVBUF)})
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.ports.listen(Plan((17001,), (LATER,)))
        (line,) = self.log.lines()
        self.assertTrue(line.startswith(f"this host does not have the address {LATER} yet"), line)

    def test_absentAndBusy(self) -> None:
        """
        If another program has the port there, the log says so: that does not end when the address
        comes.
        """
        self.host.addresses.add(LATER)
        self.host.take(17001, LATER)
        self.host.addresses.remove(LATER)
        self.ports.listen(Plan((17001,), (LATER,)))
        (line,) = self.log.lines()
        self.assertIn(f"at {LATER}: another program uses those that are missing", line)

    def test_noIPv6(self) -> None:
        """A host without IPv6 that should hear it hears IPv4, with one warning."""
        self.host.hasIPv6 = False
        self.ports.listen(Plan((17001,), ("192.0.2.1", "2001:db8::1")))
        (line,) = self.log.lines()
        self.assertIn("over IPv6: this host has no IPv6", line)
        self.receive("0.0.0.0", 17001, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_room(self) -> None:
        """More sockets than the process may have are one warning."""
        for module in (descriptors, plan):
            self.patch(module, "getLimit", lambda: 20)
        self.ports.listen(Plan(tuple(range(1, 11))))
        (line,) = self.log.lines()
        self.assertIn("10 of 10 knock ports are not heard over IPv6: the knock ports need 20", line)
        self.assertEqual(10, len(self.reactor.getReaders()))

    def test_roomAfterwards(self) -> None:
        """Ports that are closed make room for others, at once and silently."""
        for module in (descriptors, plan):
            self.patch(module, "getLimit", lambda: 40)
        self.ports.listen(Plan(tuple(range(1, 8))))
        self.ports.listen(Plan(tuple(range(101, 111))))
        self.assertEqual(([], []), (self.log.lines(), self.ports.troubles()))
        self.assertEqual(20, len(self.reactor.getReaders()))

    def test_unexpected(self) -> None:
        """Any other error of the kernel is reported as it is, and the rest is heard."""
        self.host.room = 3
        self.ports.listen(Plan((17001, 17002)))
        (line,) = self.log.lines()
        self.assertIn("this process has no file descriptor left", line)

    def test_stop(self) -> None:
        """After the end nothing is tried, whatever was under way."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        search = self.successResultOf(self.ports.search(Plan((17001, 17002))))
        self.ports.stop()
        self.ports.giveUp(search)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_notMeanwhile(self) -> None:
        """While another plan waits to be used, nothing is tried: it may have bound the port."""
        self.host.take(17001)
        self.ports.listen(Plan((17001,)))
        self.host.sockets[0].close()
        search = self.successResultOf(self.ports.search(Plan((17001, 17002))))
        self.reactor.advance(100)
        self.successResultOf(self.ports.use(search))
        self.assertEqual([], self.ports.troubles())
        self.assertEqual(4, len(self.reactor.getReaders()))
