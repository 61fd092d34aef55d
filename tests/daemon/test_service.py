"""Tests of L{pkdoors.daemon.service}."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.daemon.component import Component
from pkdoors.daemon.replayfile import ReplayFile
from pkdoors.daemon.service import DoorService
from pkdoors.errors import (
    BadValue,
    ConfigError,
    FirewallError,
    ListenError,
    NotFound,
    PkdoorsError,
)
from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host import clientaddress
from pkdoors.host.instance import AlreadyRunning, Instance
from pkdoors.model.principal import OPERATOR
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.nftables import FakeLibrary, FakeMonitor
from tests.fakes.reactor import FakeReactor
from tests.fakes.tables import FakeTables
from tests.lab.sealing import leaveNotes, makeKey, publicLine, sealed

NO = FirewallError("no privilege")
TODAY = 1_800_000_000
ANN = "203.0.113.9"


class ServiceTestCase(SynchronousTestCase):
    """
    With a whole daemon, of which only sockets and firewall are not real.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.folder = Path(self.mktemp())
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        clock: Any = self.reactor
        self.firewall = FakeFirewall(clock)
        self.service = self.makeService(self.firewall)

    def makeService(
        self,
        firewall: IFirewall,
        logKnocks: bool = False,
        notes: tuple[str, ...] = (),
        ports: tuple[int, ...] = PORTS,
        cutSessions: bool = False,
        authorizedKeys: str = "",
    ) -> DoorService:
        """A daemon of one door."""
        door = makeDoor(ports, cutSessions=cutSessions, authorizedKeys=authorizedKeys)
        self.instance = Instance(self.folder)
        seenPath = self.folder.with_name("notes") / "x.seen"
        if not seenPath.exists():
            leaveNotes(seenPath)
        replayFile = ReplayFile(seenPath, self.reactor.seconds)
        self.addCleanup(replayFile.close)
        config = Config((door,), notes=notes, logKnocks=logKnocks)
        self.daemon = MemoryDaemon(self.reactor, [firewall], config, replayFile, lambda: TODAY)
        return self.daemon.makeService(self.instance)

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
            bound.reorderer.append((b"knock\n", (source, 5555)))
            for reader in self.reactor.getReaders():
                reader.doRead()
            self.reactor.advance(0)


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
        """Where a port is taken, the doors are guarded, and the others are heard."""
        self.host.take(PORTS[0])
        self.start()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(9, len(self.reactor.getReaders()))
        line = self.log.lines(LogLevel.warn)[0]
        self.assertTrue(line.startswith("1 of 5 knock ports is not heard over IPv4: another"), line)

    def test_firewallRefuses(self) -> None:
        """Where the firewall will not do, nothing was touched."""
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.prepare))
        self.assertEqual([], self.host.bound())
        self.assertFalse(self.folder.exists())

    def test_guardsFirst(self) -> None:
        """No socket is there before the guard is."""
        seen: list[int] = []
        original = self.firewall.start

        def start(*arguments: Any) -> Any:
            seen.append(len(self.host.sockets))
            return original(*arguments)

        self.patch(self.firewall, "start", start)
        self.start()
        self.assertEqual([0], seen)

    def test_beforeFiles(self) -> None:
        """Nor is any file read before: one of them may be on a disk that hangs."""
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
        self.service._components = [FakePart("part", order)]
        self.start()
        self.assertEqual(
            ["part: prepare", "start", "start", "part: start", "examine", "part: ready"], order
        )

    def test_noLock(self) -> None:
        """A lock that cannot be made is a warning."""
        self.folder.touch()
        self.start()
        self.assertIn("a second daemon would not be noticed", self.log.lines(LogLevel.warn)[0])
        self.assertEqual(["prepare", "start"], self.firewall.calls)

    def test_second(self) -> None:
        """Where another daemon runs, that is refused, and nothing else asked."""
        self.patch(self.instance, "findHolder", lambda: 17)
        self.assertRaises(AlreadyRunning, self.service.prepare)
        self.assertEqual([], self.firewall.calls)

    def test_secondMeanwhile(self) -> None:
        """So it is where that one has started in this moment."""
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
        """Where the doors cannot be closed: one critical line, an exception, no listening."""
        self.service.prepare()
        self.firewall.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.service.privilegedStartService))
        self.assertEqual([], self.reactor.getReaders())
        self.assertEqual(["not started: no privilege"], self.log.lines())
        self.assertEqual(["critical"], self.log.levels())
        self.assertTrue(NO.isLogged)

    def test_startFailsClosed(self) -> None:
        """What keeps the ports closed then is in the same line."""
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
        """So does what nobody foresaw; what the host lacks is an error for people."""
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
        """Whoever only starts the service gets it guarded as well, and only once."""
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
        """It tells where sessions end with the opening."""
        self.service = self.makeService(self.firewall, cutSessions=True)
        self.start()
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.endswith("at most 1h if asked; sessions end with it"), line)

    def test_notes(self) -> None:
        """What there is to know of the configuration is said first, a line each, as it is."""
        self.service = self.makeService(self.firewall, notes=("a file {of} another's", "more"))
        self.start()
        lines = self.log.lines(LogLevel.info)
        self.assertEqual(["a file {of} another's", "more"], lines[:2])
        self.assertTrue(lines[2].startswith("guarding door"), lines)

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


class InterfaceTests(ServiceTestCase):
    """
    What an application uses that embeds the service.
    """

    def setUp(self) -> None:
        """Have a kernel that knows no broadcast addresses."""
        super().setUp()
        self.patch(clientaddress, "_isBroadcast", lambda address: False)

    def test_open(self) -> None:
        """It opens a door for an address, says until when, and lists it."""
        self.start()
        status = self.successResultOf(self.service.open(ANN, seconds=60.0))
        self.assertEqual((60.0, OPERATOR), (status.opening.deadline, status.opening.who))
        self.assertEqual([status.opening], self.service.openings())
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_openRefused(self) -> None:
        """It fails if the request is wrong, or the firewall refuses."""
        self.start()
        self.failureResultOf(self.service.open("nobody"), BadValue)
        self.failureResultOf(self.service.open(ANN, "web"), NotFound)
        self.failureResultOf(self.service.open(ANN, seconds=1e6), BadValue)
        self.firewall.failures = [NO]
        failure = self.failureResultOf(self.service.open(ANN), FirewallError)
        self.assertEqual("cannot open: no privilege", str(failure.value))

    def test_close(self) -> None:
        """It closes what is open."""
        self.start()
        self.successResultOf(self.service.open(ANN))
        self.failureResultOf(self.service.close("web"), NotFound)
        done = self.successResultOf(self.service.close())
        self.assertEqual([ANN], [str(status.opening.source) for status in done.closed])
        self.assertEqual(((), []), (done.closing, self.service.openings()))
        self.assertEqual({}, self.firewall.open_())

    def test_doors(self) -> None:
        """It lists the doors that are guarded, also after a reload."""
        self.start()
        self.assertEqual(self.daemon.config.doors, self.service.doors)
        door = replace(self.daemon.config.doors[0], openFor=7.0)
        self.daemon.config = replace(self.daemon.config, doors=(door,))
        done = self.successResultOf(self.service.reload())
        self.assertEqual(((door,), 1), (self.service.doors, len(done.changes)))

    def test_notRunning(self) -> None:
        """Before it starts, and after it ends, it opens and closes nothing."""
        self.assertNotGuarded()
        self.failureResultOf(self.service.reload(), FirewallError)
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertNotGuarded()
        self.failureResultOf(self.service.reload(), ConfigError)

    def assertNotGuarded(self) -> None:
        """Assert that it refuses, and leaves the firewall alone."""
        self.firewall.calls.clear()
        for done in (self.service.open(ANN), self.service.close()):
            failure = self.failureResultOf(done, FirewallError)
            self.assertIn("the service does not run", str(failure.value))
        self.assertEqual([], self.firewall.calls)

    def test_unprepared(self) -> None:
        """Its start prepares it, if nobody else has."""
        self.service.startService()
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.assertEqual(os.getpid(), Instance(self.folder).findHolder())

    def test_unpreparedSecond(self) -> None:
        """Its start fails if another daemon runs, and leaves that daemon's guard alone."""
        self.service._keepClosed = lambda: self.fail("that is the other daemon's")
        self.patch(self.instance, "findHolder", lambda: 17)
        self.assertRaises(AlreadyRunning, self.service.startService)
        self.assertEqual(([], False), (self.firewall.calls, self.service.running))

    def test_unpreparedRefused(self) -> None:
        """Its start keeps the ports closed if the firewall cannot be used."""
        self.service._keepClosed = lambda: "; 22/tcp stays closed"
        self.firewall.failures = [FirewallError("no")]
        error = self.assertRaises(FirewallError, self.service.startService)
        self.assertEqual("no; 22/tcp stays closed", str(error))


class FakePart(Component):
    """
    Something beside the doors.

    @param diary: where it writes what it is told.
    @ivar error: what it refuses to be prepared with.
    """

    def __init__(self, name: str, diary: list[str]) -> None:
        self._name = name
        self._diary = diary
        self.error: PkdoorsError | None = None

    def _note(self, call: str) -> None:
        self._diary.append(f"{self._name}: {call}")

    def prepare(self) -> None:
        """See L{Component}."""
        self._note("prepare")
        if self.error:
            raise self.error

    def start(self) -> None:
        """See L{Component}."""
        self._note("start")

    def ready(self) -> None:
        """See L{Component}."""
        self._note("ready")

    def reopen(self) -> None:
        """See L{Component}."""
        self._note("reopen")

    def stop(self) -> Deferred[None]:
        """See L{Component}."""
        self._note("stop")
        return succeed(None)


class PartTests(ServiceTestCase):
    """
    What stands beside the doors, and the reload.
    """

    def setUp(self) -> None:
        """Have two parts that hear events."""
        super().setUp()
        self.diary: list[str] = []
        self.parts = [FakePart(name, self.diary) for name in "ab"]
        self.service._components = self.parts
        self.daemon.publisher.subscribe(lambda event: self.diary.append(event.kind))

    def test_order(self) -> None:
        """They hear of all that happens, from the first event to the last."""
        self.start()
        self.assertEqual(
            "a: prepare, b: prepare, a: start, b: start, guarding, a: ready, b: ready",
            ", ".join(self.diary),
        )
        self.diary.clear()
        self.successResultOf(self.service.stopService())
        self.assertEqual(["stopped", "b: stop", "a: stop"], self.diary)

    def test_refuses(self) -> None:
        """Where one refuses to be prepared, that is a warning, and the doors are guarded."""
        self.parts[0].error = ListenError("taken")
        self.start()
        self.assertIn("b: prepare", self.diary)
        self.assertEqual("taken", self.log.lines(LogLevel.warn)[0])
        self.assertEqual(["prepare", "start"], self.firewall.calls)

    def test_reload(self) -> None:
        """A reload has files opened anew, and the configuration read."""
        self.start()
        self.diary.clear()
        self.daemon.config = replace(self.daemon.config, interfaces=("192.0.2.1",))
        self.service.reload()
        self.assertEqual(["a: reopen", "b: reopen", "reloaded"], self.diary)
        self.assertEqual(("192.0.2.1",), self.daemon.ports.plan.interfaces)

    def test_reloadRefused(self) -> None:
        """One that is refused is told, and ends nothing."""
        self.start()
        self.daemon.config = replace(self.daemon.config, zone="home")
        self.failureResultOf(self.service.reload(), ConfigError)
        self.assertEqual("reload-refused", self.diary[-1])
        self.receive(*PORTS)
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())

    def test_reloadGoesWrong(self) -> None:
        """A mistake of ours ends nothing."""
        self.start()
        self.firewall.failures = [ValueError("oops")]
        door = replace(self.daemon.config.doors[0], openFor=7.0)
        self.daemon.config = replace(self.daemon.config, doors=(door,))
        self.failureResultOf(self.service.reload(), ValueError)
        self.receive(*PORTS)
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())


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
        self.host.find("0.0.0.0", PORTS[0]).reorderer.append((b"\x1b[2J\n", ("10.0.0.1", 5555)))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)
        lines = self.log.lines(LogLevel.debug)
        self.assertEqual("datagram from 203.0.113.9 on 17001: b'knock\\n'", lines[0])
        self.assertEqual("datagram from 10.0.0.1 on 17001: b'\\x1b[2J\\n'", lines[5])
        self.assertEqual({"203.0.113.9": 30.0}, self.firewall.open_())


class SealedTests(ServiceTestCase):
    """
    A daemon whose door sealed knocks open.
    """

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.key = makeKey()
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "keys"
        self.path.write_text(publicLine(self.key, "anna"))
        self.path.chmod(0o600)
        self.service = self.makeService(self.firewall, authorizedKeys=str(self.path))

    def seal(self, **fields: Any) -> bytes:
        """A knock of Anna's."""
        return sealed(self.key, PORTS, **({"stamp": TODAY * 1000} | fields))

    def send(self, datagram: bytes) -> None:
        """A datagram comes to every port."""
        for port in sorted(PORTS):
            self.host.find("0.0.0.0", port).reorderer.append((datagram, ("203.0.113.9", 5555)))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)

    def assertGuardedOnly(self, reason: str) -> None:
        """Assert that the door is guarded, that nobody may knock, and that an error says why."""
        self.start()
        (line,) = self.log.lines(LogLevel.error)
        expected = f"nobody may knock with a key: {reason}"
        self.assertEqual(expected, line.replace(str(self.path), "KEYS"))
        self.assertEqual(["prepare", "start"], self.firewall.calls)
        self.send(self.seal())
        self.assertEqual({}, self.firewall.open_())

    def test_missing(self) -> None:
        """A file that is not there keeps nobody from guarding."""
        self.path.unlink()
        self.assertGuardedOnly(
            "cannot read KEYS (No such file or directory), "
            "the file of authorized keys: fill it with lines from ssh-keygen's .pub files"
        )

    def test_unsafe(self) -> None:
        """Nor does one that others can write."""
        self.path.chmod(0o666)
        self.assertGuardedOnly("KEYS can be written by others: `chmod go-w KEYS` mends it")

    def test_line(self) -> None:
        """The line for the door says that its knocks are sealed, and how many go out."""
        self.start()
        self.assertEqual(
            [
                "guarding door default (22/tcp) with fake: a sealed knock on its 5 ports opens it "
                "for 30s, at most 1h if asked"
            ],
            self.log.lines()[1:],
        )
        self.assertEqual(f"1 of the keys in {self.path} may knock", self.log.lines()[0])

    def test_repeatedPorts(self) -> None:
        """A port that the sequence has twice gets one copy; a weak sequence is no matter here."""
        self.service = self.makeService(
            self.firewall, ports=(1, 2, 1, 3, 4), authorizedKeys=str(self.path)
        )
        self.start()
        self.assertIn(": a sealed knock on its 4 ports opens it", self.log.lines()[-1])
        self.assertEqual([], self.log.lines(LogLevel.warn))

    def test_opens(self) -> None:
        """A sealed knock opens, and the line says whose it was."""
        self.start()
        self.send(self.seal(seconds=60))
        self.assertEqual({"203.0.113.9": 60.0}, self.firewall.open_())
        self.assertRegex(self.log.lines()[-1], r"\(1m\), by anna \(SHA256:[A-Za-z0-9+/]{43}\)\Z")

    def test_closes(self) -> None:
        """One that asks to close does that."""
        self.start()
        self.send(self.seal())
        self.send(self.seal(close=True))
        self.assertEqual({}, self.firewall.open_())

    def test_plainKnock(self) -> None:
        """Plain knocks open nothing, and are not even spoken of."""
        self.start()
        before = self.log.lines()
        self.receive(*PORTS)
        self.assertEqual(({}, before), (self.firewall.open_(), self.log.lines()))

    def test_nextDaemon(self) -> None:
        """What opened once opens nothing with the next daemon, also where clocks are ahead."""
        self.start()
        datagram = self.seal(stamp=(TODAY + 30) * 1000)
        self.send(datagram)
        self.successResultOf(self.service.stopService())
        clock: Any = self.reactor
        self.firewall = FakeFirewall(clock)
        self.service = self.makeService(self.firewall, authorizedKeys=str(self.path))
        self.start()
        self.send(datagram)
        self.assertEqual({}, self.firewall.open_())
        self.assertIn("this knock was seen before", self.log.lines()[-1])

    def test_waits(self) -> None:
        """A knock that cannot be checked at once opens when there is time again."""
        self.start()
        self.service._smith.checks._budget.spend(1.0)
        self.send(self.seal())
        self.assertEqual({}, self.firewall.open_())
        self.reactor.advance(2.1)
        self.assertEqual(["203.0.113.9"], list(self.firewall.open_()))

    def test_stopsWhileOneWaits(self) -> None:
        """When the daemon ends, what waits opens nothing any more."""
        self.start()
        self.service._smith.checks._budget.spend(1.0)
        self.send(self.seal())
        self.daemon.reloader.stop()  # the first thing that a daemon does which ends
        self.reactor.advance(60.0)
        self.assertEqual({}, self.firewall.open_())

    def test_noPortsLogged(self) -> None:
        """No line tells a knock port, whatever comes."""
        self.start()
        for datagram in (self.seal(), self.seal(stamp=1), b"pkdoors1 x\n", self.seal(door="x")):
            self.reactor.advance(2)
            self.send(datagram)
        text = "\n".join(self.log.lines())
        self.assertEqual(3, text.count("refused door default"))
        self.assertFalse([port for port in PORTS if str(port) in text])


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

    def test_neverBegun(self) -> None:
        """What never began has nothing to let go but the right to be the daemon."""
        self.service.prepare()
        self.successResultOf(self.service.stopService())
        self.assertEqual((["prepare"], []), (self.firewall.calls, self.log.lines()))
        self.assertIsNone(self.instance._file)

    def test_beforeTheReactor(self) -> None:
        """What is stopped before the reactor runs is never ready."""
        self.service.prepare()
        self.service.startService()
        self.successResultOf(self.service.stopService())
        self.reactor.begin()
        self.assertEqual(["stopped; door default (22/tcp) stays closed"], self.log.lines())

    def test_twice(self) -> None:
        """Stopping twice is stopping once."""
        self.start()
        for _ in range(2):
            self.successResultOf(self.service.stopService())
        self.assertEqual(1, self.firewall.calls.count("stop"))
        self.assertEqual(1, len([each for each in self.log.lines() if "stays closed" in each]))

    def test_again(self) -> None:
        """What has ended, or could not start, does not seem to start: nothing would be guarded."""
        self.firewall.failures = [NO]
        self.assertRaises(FirewallError, self.service.startService)
        self.assertRaises(FirewallError, self.service.startService)
        self.assertFalse(self.service.running)
        self.successResultOf(self.service.stopService())
        self.service = self.makeService(self.firewall)
        self.start()
        self.successResultOf(self.service.stopService())
        self.assertRaises(FirewallError, self.service.startService)
        self.assertFalse(self.service.running)

    def test_whileItTries(self) -> None:
        """Nothing is left running where a port was being tried."""
        self.host.take(PORTS[0])
        self.start()
        self.assertEqual(1, len(self.reactor.getDelayedCalls()))
        self.successResultOf(self.service.stopService())
        self.assertEqual([], self.reactor.getDelayedCalls())
