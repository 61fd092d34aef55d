"""Tests of L{pkdoors.daemon.service}: the start."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel

from pkdoors.errors import (
    FirewallError,
    ListenError,
)
from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host import descriptors
from pkdoors.host.instance import AlreadyRunning, Instance
from pkdoors.knockports import plan
from tests.daemon.servicecase import NO, FakeComponent, ServiceTestCase
from tests.fakes.doors import PORTS
from tests.fakes.nftables import FakeLibrary, FakeMonitor
from tests.fakes.tables import FakeTables


class StartTests(ServiceTestCase):
    """
    The start.
    """

    def test_prepare(self) -> None:
        """Preparing asks the firewall, takes no port, and changes nothing."""
        self.service.prepare()
        self.assertEqual([], self.host.bound())
        self.assertEqual(["prepare"], self.firewall.calls)
        self.assertEqual(([], []), (self.reactor.getReaders(), self.log.lines()))

    def test_portTaken(self) -> None:
        """If a port is taken, the doors are guarded, and the other ports are heard."""
        self.host.take(PORTS[0])
        self.start()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(9, len(self.reactor.getReaders()))
        line = self.log.lines(LogLevel.warn)[0]
        self.assertTrue(line.startswith("1 of 5 knock ports is not heard over IPv4: another"), line)

    def test_firewallRefuses(self) -> None:
        """If the firewall refuses, nothing was touched."""
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.prepare))
        self.assertEqual([], self.host.bound())
        self.assertFalse(self.folder.exists())

    def test_tooManyPorts(self) -> None:
        """If the knock ports need more sockets than the process may have, nothing was touched."""
        self.patch(descriptors, "getLimit", lambda: 10)
        self.patch(plan, "getLimit", lambda: 10)
        line = str(self.assertRaises(ListenError, self.service.prepare))
        self.assertTrue(line.startswith("the knock ports need 10 sockets, and this process may"))
        for remedy in ("LimitNOFILE=", "`ulimit -n`", 'listen = "capture"'):
            self.assertIn(remedy, line)
        self.assertEqual(([], []), (self.host.bound(), self.firewall.calls))
        self.assertFalse(self.folder.exists())

    def test_guardsFirst(self) -> None:
        """No socket exists before the guard does."""
        seen: list[int] = []
        original = self.firewall.start

        def start(*arguments: Any) -> Any:
            seen.append(len(self.host.bound()))
            return original(*arguments)

        self.patch(self.firewall, "start", start)
        self.start()
        self.assertEqual([0], seen)

    def test_beforeFiles(self) -> None:
        """No file is read before the guard exists: one of them may be on a disk that hangs."""
        order: list[str] = []
        for owner, name in (
            (self.firewall, "start"),
            (self.service._smith, "start"),
            (self.service._smith, "examine"),
        ):
            original = getattr(owner, name)

            def noted(*arguments: Any, name: str = name, original: Any = original) -> Any:
                order.append(name)
                return original(*arguments)

            self.patch(owner, name, noted)
        self.service._components = [FakeComponent("part", order)]
        self.start()
        self.assertEqual(
            ["part: prepare", "start", "start", "part: start", "examine", "part: ready"], order
        )

    def test_noLock(self) -> None:
        """A lock file that cannot be made is a warning."""
        self.folder.touch()
        self.start()
        self.assertIn("a second daemon would not be noticed", self.log.lines(LogLevel.warn)[0])
        self.assertEqual(["prepare", "start"], self.firewall.calls)

    def test_second(self) -> None:
        """If another daemon runs, the start is refused, and nothing else is tried."""
        self.patch(self.instance, "findHolder", lambda: 17)
        self.assertRaises(AlreadyRunning, self.service.prepare)
        self.assertEqual([], self.firewall.calls)

    def test_secondMeanwhile(self) -> None:
        """The same happens if that daemon has started at this moment."""
        self.patch(self.instance, "refuseSecond", lambda: None)
        other = Instance(self.folder)
        other.take()
        self.addCleanup(other.give)
        self.assertRaises(AlreadyRunning, self.service.prepare)

    def test_listensAfterClosing(self) -> None:
        """It listens when the doors are closed, not before."""
        self.start()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(10, len(self.reactor.getReaders()))

    def test_startFails(self) -> None:
        """
        If the doors cannot be closed, there is one critical line, an exception, and no listening.
        """
        self.service.prepare()
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.privilegedStartService))
        self.assertEqual([], self.reactor.getReaders())
        self.assertEqual(["not started: no privilege"], self.log.lines())
        self.assertEqual(["critical"], self.log.levels())
        self.assertTrue(NO.isLogged)

    def test_startFailsClosed(self) -> None:
        """The same line says what keeps the ports closed then."""
        holders: list[int | None] = []

        def keepClosed() -> str:
            holders.append(Instance(self.folder).findHolder())
            return "; 22/tcp stays closed"

        self.service._keepClosed = keepClosed
        self.service.prepare()
        self.firewall.failures = [FirewallError("no")]
        error = self.assertRaises(FirewallError, self.service.startService)
        self.assertEqual("no; 22/tcp stays closed", str(error))
        self.assertEqual([None], holders)  # not ourselves
        self.assertFalse(error.isLogged)  # whoever starts it that way has no log yet
        self.assertFalse(self.service.running)
        self.reactor.begin()
        self.assertEqual([], self.log.lines())

    def test_anyFailureKeepsClosed(self) -> None:
        """
        An unforeseen error keeps them closed, too; if the host lacks something, that is an error
        for people.
        """
        kept: list[str] = []

        def keepClosed() -> str:
            kept.append("; kept")
            return kept[-1]

        self.service._keepClosed = keepClosed
        for error, kind, text in (
            (OSError(24, "Too many open files"), FirewallError, "Too many open files; kept"),
            (ZeroDivisionError("oops"), ZeroDivisionError, "oops"),
        ):
            self.service._hasBegun = False
            self.firewall.failures = [error]
            raised = self.assertRaises(kind, self.service.startService)
            self.assertTrue(str(raised).endswith(text), raised)
        self.assertEqual(2, len(kept))

    def test_unprivileged(self) -> None:
        """A call of only startService guards as well, and only once."""
        self.service.prepare()
        self.service.startService()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertTrue(self.service.running)
        self.service.privilegedStartService()
        self.reactor.begin()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(10, len(self.reactor.getReaders()))

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
        """The line says if sessions end with the opening."""
        self.service = self.makeService(self.firewall, cutSessions=True)
        self.start()
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.endswith("at most 1h if asked; sessions end with it"), line)

    def test_notes(self) -> None:
        """Notes on the configuration come first, a line each, as they are."""
        self.service = self.makeService(self.firewall, notes=("a file {of} another's", "more"))
        self.start()
        lines = self.log.lines(LogLevel.info)
        self.assertEqual(["a file {of} another's", "more"], lines[:2])
        self.assertTrue(lines[2].startswith("guarding door"), lines)

    def test_announcesWhenRunning(self) -> None:
        """The line comes when the reactor runs: before that no knock would be heard."""
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
        """A strong sequence causes no warning."""
        self.service = self.makeService(self.firewall, ports=(*PORTS, 17999))
        self.start()
        self.assertEqual(["info"], self.log.levels())

    def test_noPortsLogged(self) -> None:
        """No line from start to end names a knock port, whatever the firewall."""
        clock = Clock()

        def makeTable(seconds: Callable[[], float]) -> GuardTable:
            return GuardTable(FakeLibrary(FakeTables(clock)), False, seconds)

        firewalls = (
            self.firewall,
            DryRunFirewall(clock),
            NftablesFirewall(
                clock, makeTable, FakeMonitor().make, lambda: LiveFlows(list, list), lambda: 0.0
            ),
        )
        for firewall in firewalls:
            self.service = self.makeService(firewall)
            self.start()
            self.receive(*PORTS)
            self.successResultOf(self.service.stopService())
        text = "\n".join(self.log.lines())
        self.assertEqual(3, text.count("guarding door default"))
        self.assertFalse([port for port in PORTS if str(port) in text])
