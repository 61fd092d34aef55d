"""Tests of L{pkdoors.listener}."""

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import ListenError
from pkdoors.inbox import Inbox
from pkdoors.knock import Knock
from pkdoors.listener import BUFFER, Listener, hasIPv6, isFree
from tests.fakes import FakeHost, FakeReactor, Log


class ListenerTestCase(SynchronousTestCase):
    """
    With a host.
    """

    def setUp(self) -> None:
        """Make host and reactor."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        self.heard: list[Knock] = []
        clock: Any = self.reactor
        self.inbox = Inbox(clock, self.heard.extend)

    def refusal(self, listener: Listener) -> str:
        """Why it cannot bind."""
        error = self.assertRaises(ListenError, listener.bind)
        return str(error)


class BindTests(ListenerTestCase):
    """
    Tests of L{Listener.bind}.
    """

    def test_everywhere(self) -> None:
        """Without interfaces it takes all ports of every IPv4 and every IPv6 address."""
        Listener([17001, 17002]).bind()
        self.assertEqual(
            [("0.0.0.0", 17001), ("0.0.0.0", 17002), ("::", 17001), ("::", 17002)],
            self.host.bound(),
        )

    def test_interfaces(self) -> None:
        """With interfaces it takes them there and nowhere else."""
        Listener([17001], ["192.0.2.1", "2001:db8::1"]).bind()
        self.assertEqual([("192.0.2.1", 17001), ("2001:db8::1", 17001)], self.host.bound())

    def test_noIPv6(self) -> None:
        """Where the host has no IPv6, IPv4 is enough."""
        self.host.hasIPv6 = False
        Listener([17001]).bind()
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_noIPv6ButAskedFor(self) -> None:
        """Unless IPv6 was asked for: the sentence says so."""
        self.host.hasIPv6 = False
        self.assertEqual(
            "cannot listen on knock port 17001/udp of ::: "
            "this host has no IPv6: use --interface 0.0.0.0",
            self.refusal(Listener([17001], ["::"])),
        )

    def test_nothingIsRead(self) -> None:
        """Nothing is read before L{Listener.listen}."""
        Listener([17001]).bind()
        self.assertEqual([], self.reactor.getReaders())

    def test_taken(self) -> None:
        """A port that another program has is refused, with what tells which program that is."""
        self.host.take(17002)
        self.assertEqual(
            "cannot listen on knock port 17002/udp of 0.0.0.0: another program has it, "
            "`ss -lunp` tells which: end that or take another",
            self.refusal(Listener([17001, 17002])),
        )

    def test_takenOnIPv6(self) -> None:
        """So it is where another program has it only on IPv6."""
        self.host.take(17001, "::")
        self.assertIn("17001/udp of ::: another program", self.refusal(Listener([17001])))

    def test_allOrNone(self) -> None:
        """Where one is refused, all are given back."""
        self.host.take(17003)
        self.refusal(Listener([17001, 17002, 17003]))
        self.assertEqual([("0.0.0.0", 17003)], self.host.bound())

    def test_privileged(self) -> None:
        """A port below 1024 without privilege is refused, with what is needed."""
        self.host.isRoot = False
        self.assertEqual(
            "cannot listen on knock port 1023/udp of 0.0.0.0: ports below 1024 need root, "
            "or the capability CAP_NET_BIND_SERVICE",
            self.refusal(Listener([1023])),
        )

    def test_foreignAddress(self) -> None:
        """An address that the host does not have is refused."""
        self.assertEqual(
            "cannot listen on knock port 17001/udp of 198.51.100.1: "
            "this host does not have that address, `ip address` lists those it has",
            self.refusal(Listener([17001], ["198.51.100.1"])),
        )

    def test_close(self) -> None:
        """Ports that are bound can be given back."""
        listener = Listener([17001, 17002])
        listener.bind()
        listener.close()
        self.assertEqual([], self.host.bound())


class ListenTests(ListenerTestCase):
    """
    Tests of L{Listener.listen} and L{Listener.stop}.
    """

    def setUp(self) -> None:
        """Listen on two ports."""
        super().setUp()
        self.listener = Listener([17001, 17002])
        self.listener.bind()
        self.listener.listen(self.reactor, self.inbox)

    def receive(self, interface: str, port: int, source: str) -> None:
        """A knock comes."""
        bound = self.host.find(interface, port)
        bound.inbox.append((b"knock\n", (source, 5555)))
        readers = {each.fileno(): each for each in self.reactor.getReaders()}
        readers[bound.fileno()].doRead()
        self.reactor.advance(0)

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

    def test_filters(self) -> None:
        """The kernel is told what each port hears, before anything is read."""
        listener = Listener([17003, 17004], ["0.0.0.0"], filters={17003: b"program."})
        listener.bind()
        listener.listen(self.reactor, self.inbox)
        programs = [self.host.find("0.0.0.0", port).program for port in (17003, 17004)]
        self.assertEqual([b"program.", b""], programs)

    def test_noFilters(self) -> None:
        """Where it takes none, that is one warning, and all is heard."""
        self.host.filtersNothing = True
        filters = {17003: b"program.", 17004: b"program."}
        listener = Listener([17003, 17004], filters=filters)
        listener.bind()
        listener.listen(self.reactor, self.inbox)
        self.assertEqual(
            [
                "this kernel does not filter datagrams for the knock ports (Protocol not "
                "available): all works without, but a flood of junk costs more"
            ],
            self.log.lines(),
        )
        self.receive("0.0.0.0", 17004, "203.0.113.9")
        self.assertEqual(1, len(self.heard))

    def test_buffer(self) -> None:
        """A socket is told to hold much."""
        bound = self.host.find("0.0.0.0", 17001)
        self.assertEqual(BUFFER, bound.options[socket.SO_RCVBUF])

    def test_takeDrops(self) -> None:
        """What the ports have dropped is told once."""
        self.host.find("0.0.0.0", 17001).drops = 5
        self.host.find("::", 17002).drops = 7
        self.assertEqual([12, 0], [self.listener.takeDrops() for _ in range(2)])

    def test_logsNothing(self) -> None:
        """Taking ports, hearing knocks and giving ports back logs nothing."""
        self.receive("0.0.0.0", 17002, "203.0.113.9")
        self.listener.stop(self.reactor)
        self.assertEqual([], self.log.lines())

    def test_stop(self) -> None:
        """Stopping ends the reading and gives the ports back."""
        self.assertEqual(4, len(self.reactor.getReaders()))
        self.listener.stop(self.reactor)
        self.assertEqual(([], []), (self.reactor.getReaders(), self.host.bound()))

    def test_stopTwice(self) -> None:
        """Stopping twice is no error."""
        self.listener.stop(self.reactor)
        self.listener.stop(self.reactor)

    def test_stopWithoutListening(self) -> None:
        """Stopping gives back what was only bound."""
        listener = Listener([17005])
        listener.bind()
        listener.stop(self.reactor)
        self.assertNotIn(("0.0.0.0", 17005), self.host.bound())


class BeforeTests(ListenerTestCase):
    """
    A listener that follows another one.
    """

    def setUp(self) -> None:
        """Listen."""
        super().setUp()
        self.first = Listener([17001, 17002], ["0.0.0.0"])
        self.first.bind()
        self.first.listen(self.reactor, self.inbox)
        self.sockets = list(self.host.sockets)

    def follow(self, *ports: int, interface: str = "0.0.0.0") -> Listener:
        """The listener that follows, whose ports are taken."""
        listener = Listener(ports, [interface], before=self.first)
        listener.bind()
        return listener

    def test_takesOnlyTheNew(self) -> None:
        """Only ports that are new are taken, and nothing is given back before it listens."""
        self.follow(17002, 17003)
        self.assertEqual([17001, 17002, 17003], [port for _, port in self.host.bound()])
        self.assertEqual(2, len(self.reactor.getReaders()))

    def test_listens(self) -> None:
        """Then it has those that both have, and the others are given back."""
        listener = self.follow(17002, 17003)
        listener.listen(self.reactor, self.inbox)
        self.assertEqual([("0.0.0.0", 17002), ("0.0.0.0", 17003)], self.host.bound())
        self.assertEqual(2, len(self.reactor.getReaders()))
        self.first.stop(self.reactor)
        self.assertEqual(2, len(self.host.bound()))
        listener.stop(self.reactor)
        self.assertEqual(([], []), (self.host.bound(), self.reactor.getReaders()))

    def test_hearsWhatWaits(self) -> None:
        """What waits on a port that is given back is heard first."""
        self.host.find("0.0.0.0", 17001).inbox.append((b"knock\n", ("203.0.113.9", 5)))
        self.follow(17002).listen(self.reactor, self.inbox)
        self.reactor.advance(0)
        self.assertEqual([17001], [knock.port for knock in self.heard])

    def test_filters(self) -> None:
        """A port that both have hears from then on what the second one says."""
        listener = Listener(
            [17001, 17003],
            ["0.0.0.0"],
            before=self.first,
            filters={17001: b"changed.", 17003: b"program."},
        )
        listener.bind()
        self.assertEqual(b"", self.host.find("0.0.0.0", 17001).program)
        listener.listen(self.reactor, self.inbox)
        programs = [self.host.find("0.0.0.0", port).program for port in (17001, 17003)]
        self.assertEqual([b"changed.", b"program."], programs)

    def test_drops(self) -> None:
        """What was dropped before, also at ports that are given back, is not forgotten."""
        for port, drops in ((17001, 5), (17002, 7)):
            self.host.find("0.0.0.0", port).drops = drops
        listener = self.follow(17002, 17003)
        listener.listen(self.reactor, self.inbox)
        self.host.find("0.0.0.0", 17002).drops = 10
        self.assertEqual([15, 0], [listener.takeDrops() for _ in range(2)])

    def test_refused(self) -> None:
        """Where a new port is not to be had, the first one goes on as it was."""
        self.host.take(17003)
        listener = Listener([17002, 17004, 17003], ["0.0.0.0"], before=self.first)
        self.assertRaises(ListenError, listener.bind)
        self.assertEqual([17001, 17002, 17003], [port for _, port in self.host.bound()])
        self.assertEqual(2, len(self.reactor.getReaders()))

    def test_closed(self) -> None:
        """So it is where it is closed before it listens."""
        self.follow(17002, 17003).close()
        self.assertEqual([17001, 17002], [port for _, port in self.host.bound()])

    def test_otherAddress(self) -> None:
        """A port is shared only while it is taken at another address."""
        listener = self.follow(17001, interface="192.0.2.1")
        self.assertFalse([each for each in self.host.sockets if each.isShared])
        listener.listen(self.reactor, self.inbox)
        self.assertEqual([("192.0.2.1", 17001)], self.host.bound())


class QuestionTests(ListenerTestCase):
    """
    Tests of L{isFree} and L{hasIPv6}.
    """

    def test_isFree(self) -> None:
        """A port that nobody has is free; asking does not take it."""
        self.assertIs(True, isFree(17001))
        self.assertEqual([], self.host.bound())

    def test_isNotFree(self) -> None:
        """One that somebody has is not, be it on one address."""
        self.host.take(17001, "192.0.2.1")
        self.assertIs(False, isFree(17001))

    def test_hasIPv6(self) -> None:
        """Whether there is IPv6 is asked of the kernel, without privilege; it takes no port."""
        self.host.isRoot = False
        self.assertIs(True, hasIPv6())
        self.assertEqual([], self.host.bound())
        self.host.hasIPv6 = False
        self.assertIs(False, hasIPv6())
