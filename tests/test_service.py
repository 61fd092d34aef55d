"""Tests of L{pkdoors.service}."""

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError, ListenError
from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.nftables import NftablesFirewall
from pkdoors.instance import Instance
from pkdoors.interfaces import IFirewall
from pkdoors.keeper import Doorkeeper
from pkdoors.listener import Listener
from pkdoors.locksmith import Locksmith
from pkdoors.service import DoorService
from pkdoors.walls import Walls
from tests.fakes import (
    PORTS,
    FakeFirewall,
    FakeHost,
    FakeKernel,
    FakeNftables,
    FakeReactor,
    FakeWatch,
    Log,
    makeDoor,
)

NO = FirewallError("no privilege")


class ServiceTestCase(SynchronousTestCase):
    """
    With a whole daemon, of which only sockets and firewall are not real.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.firewall = FakeFirewall(clock)
        self.service = self.makeService(self.firewall)

    def makeService(
        self,
        firewall: IFirewall,
        logKnocks: bool = False,
        ports: tuple[int, ...] = PORTS,
        cutSessions: bool = False,
    ) -> DoorService:
        """A daemon of one door."""
        door = makeDoor(ports, cutSessions=cutSessions)
        keeper = Doorkeeper(self.reactor, Walls(self.reactor, [firewall]), [door])
        listener = Listener(keeper.ports())
        self.instance = Instance(Path(self.mktemp()))
        return DoorService(
            self.reactor,
            keeper,
            listener,
            self.instance,
            Locksmith([door]),
            firewall.name,
            logKnocks,
        )

    def start(self) -> None:
        """Start it as twistd does."""
        self.service.prepare()
        self.service.privilegedStartService()
        self.service.startService()
        if not self.reactor.running:
            self.reactor.begin()

    def receive(self, *ports: int, source: str = "203.0.113.9", interface: str = "0.0.0.0") -> None:
        """Knocks come."""
        for port in ports:
            bound = self.host.find(interface, port)
            bound.inbox.append((b"knock\n", (source, 5555)))
            for reader in self.reactor.getReaders():
                reader.doRead()


class StartTests(ServiceTestCase):
    """
    The start.
    """

    def test_prepare(self) -> None:
        """Preparing takes the ports and asks the firewall, and changes nothing."""
        self.service.prepare()
        self.assertEqual(10, len(self.host.bound()))
        self.assertEqual(["prepare"], self.firewall.calls)
        self.assertEqual(([], []), (self.reactor.getReaders(), self.log.lines()))

    def test_portTaken(self) -> None:
        """Where a port is taken, the firewall is not even asked."""
        self.host.take(PORTS[0])
        self.assertRaises(ListenError, self.service.prepare)
        self.assertEqual(([], 1), (self.firewall.calls, len(self.host.bound())))

    def test_firewallRefuses(self) -> None:
        """Where the firewall will not do, the ports are given back."""
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.prepare))
        self.assertEqual([], self.host.bound())

    def test_listensAfterClosing(self) -> None:
        """It listens when the doors are closed, not before."""
        self.start()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(10, len(self.reactor.getReaders()))

    def test_startFails(self) -> None:
        """Where the doors cannot be closed: one critical line, an exception, no listening."""
        self.service.prepare()
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.privilegedStartService))
        self.assertEqual([], self.reactor.getReaders())
        self.assertEqual(["not started: no privilege"], self.log.lines())
        self.assertEqual(["critical"], self.log.levels())

    def test_line(self) -> None:
        """There is one line for the door, with firewall and times; another for each weakness."""
        self.start()
        self.assertEqual(
            [
                "guarding door default (22/tcp) with fake: 5 knocks open it for 30s, "
                "at most 1h if asked"
            ],
            self.log.lines(LogLevel.info),
        )

    def test_cutSessions(self) -> None:
        """It tells where sessions end with the opening."""
        self.service = self.makeService(self.firewall, cutSessions=True)
        self.start()
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.endswith("at most 1h if asked; sessions end with it"), line)

    def test_announcesWhenRunning(self) -> None:
        """It says so when the reactor runs: before that no knock would be heard."""
        self.service.prepare()
        self.service.privilegedStartService()
        self.service.startService()
        self.assertEqual([], self.log.lines())
        self.reactor.begin()
        self.assertEqual(1, len(self.log.lines(LogLevel.info)))

    def test_weakSequence(self) -> None:
        """A weak sequence is a warning for each weakness."""
        self.service = self.makeService(self.firewall, ports=(1, 2, 3, 4, 5))
        self.start()
        warnings = self.log.lines(LogLevel.warn)
        self.assertEqual(2, len(warnings))
        self.assertTrue(
            warnings[0].startswith("door default (22/tcp): the sequence is in ascending order")
        )

    def test_strongSequence(self) -> None:
        """A strong one is not warned of."""
        self.service = self.makeService(self.firewall, ports=(*PORTS, 17999))
        self.start()
        self.assertEqual(["info"], self.log.levels())

    def test_noPortsLogged(self) -> None:
        """Nothing that is logged from start to end tells a knock port, whatever the firewall."""
        clock = Clock()
        firewalls = (
            self.firewall,
            DryRunFirewall(clock),
            NftablesFirewall(clock, FakeNftables, FakeKernel, FakeWatch().make, list),
        )
        for firewall in firewalls:
            self.service = self.makeService(firewall)
            self.start()
            self.receive(*PORTS)
            self.successResultOf(self.service.stopService())
        text = "\n".join(self.log.lines())
        self.assertEqual(3, text.count("guarding door default"))
        self.assertFalse([port for port in PORTS if str(port) in text])


class KnockTests(ServiceTestCase):
    """
    From datagram to opening.
    """

    def test_opens(self) -> None:
        """The right datagrams open, over IPv4 and IPv6, for their source."""
        self.start()
        self.receive(*PORTS)
        self.receive(*PORTS, source="2001:db8::7", interface="::")
        self.assertEqual({"203.0.113.9": 30.0, "2001:db8::7": 30.0}, self.firewall.open_())

    def test_quiet(self) -> None:
        """No datagram is logged unless that was asked for."""
        self.start()
        self.receive(*PORTS[:3])
        self.assertEqual([], self.log.lines(LogLevel.debug))

    def test_logKnocks(self) -> None:
        """Where it was, each is a line at debug, quoted, and knocks open as ever."""
        self.service = self.makeService(self.firewall, logKnocks=True)
        self.start()
        self.receive(*PORTS)
        self.host.find("0.0.0.0", PORTS[0]).inbox.append((b"\x1b[2J\n", ("10.0.0.1", 5555)))
        for reader in self.reactor.getReaders():
            reader.doRead()
        lines = self.log.lines(LogLevel.debug)
        self.assertEqual("datagram from 203.0.113.9 on 17001: b'knock\\n'", lines[0])
        self.assertEqual("datagram from 10.0.0.1 on 17001: b'\\x1b[2J\\n'", lines[5])
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())


class StopTests(ServiceTestCase):
    """
    The end.
    """

    def test_stop(self) -> None:
        """Stopping gives the ports back, and lets go of the firewall without closing."""
        self.start()
        self.receive(*PORTS)
        self.successResultOf(self.service.stopService())
        self.assertEqual(([], []), (self.host.bound(), self.reactor.getReaders()))
        self.assertEqual("stop", self.firewall.calls[-1])
        self.assertNotIn("close 203.0.113.9", self.firewall.calls)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_line(self) -> None:
        """There is one line for the door."""
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertEqual("stopped; door default (22/tcp) stays closed", self.log.lines()[-1])

    def test_waits(self) -> None:
        """The end waits for the firewall; the ports are given back before."""
        self.start()
        self.firewall.holding = True
        stopped = self.service.stopService()
        self.assertEqual([], self.host.bound())
        self.assertNoResult(stopped)
        self.firewall.answer()
        self.successResultOf(stopped)

    def test_running(self) -> None:
        """The service knows whether it runs."""
        self.start()
        self.assertTrue(self.service.running)
        self.successResultOf(self.service.stopService())
        self.assertFalse(self.service.running)
