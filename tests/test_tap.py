"""Tests of L{pkdoors.tap} and of the plugin."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.application.service import IService, IServiceMaker
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, globalLogPublisher, textFileLogObserver
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors import tap
from pkdoors.admin.unixsocket import AdminSocket
from pkdoors.config.config import Config
from pkdoors.config.lastgood import LastGood
from pkdoors.config.options import Options as DaemonOptions
from pkdoors.daemon import process, replayfile
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.daemon.replayfile import seenPath
from pkdoors.daemon.sdnotify import Notifier
from pkdoors.daemon.service import DoorService
from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink import library
from pkdoors.firewall.nftables import firewall as nftables
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.standalone import isGuarded
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host.instance import Instance
from pkdoors.knocks.knock import Knock
from pkdoors.model.doors import Door
from pkdoors.tap import Options, makeService, wire
from tests.fakes.dbus import FakeDBus
from tests.fakes.doors import makeDoor
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.modules import makeModule, replaceModule, replaceReactor
from tests.fakes.nftables import FakeLibrary
from tests.fakes.reactor import FakeReactor
from tests.fakes.tables import FakeTables
from tests.lab.sealing import makeKey, publicLine

SEQ = "17001,17203,17005,17404,17002"


class MakeServiceTests(SynchronousTestCase):
    """
    Tests of L{makeService} and L{wire}.
    """

    def setUp(self) -> None:
        """Replace the host and the reactor, and restore what is changed."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        replaceReactor(self, self.reactor)
        self.patch(sys, "excepthook", sys.excepthook)
        folder = Path(self.mktemp())  # another run on this machine may be at the same test
        self.patch(tap, "Instance", lambda: Instance(folder))
        self.state = Path(self.mktemp())
        for module in (tap, replayfile):
            self.patch(module, "STATE", self.state)
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.patch(process, "handleInterrupt", lambda: None)  # Ctrl-C is for trial
        self.lackNftables()

    def haveNftables(self, error: str = "") -> None:
        """Pretend a kernel with nftables, and the privilege; or one with this error."""

        def makeTable(seconds: Callable[[], float]) -> GuardTable:
            fake = FakeLibrary(FakeTables(Clock()))
            fake.error = library._refused(error) if error else None
            return GuardTable(fake, False, seconds)

        made = partial(NftablesFirewall, makeTable=makeTable)
        self.patch(nftables, "NftablesFirewall", made)
        guarded = partial(isGuarded, makeTable=makeTable)
        keep = partial(keepClosed, makeFirewall=made, isGuarded=guarded)
        self.patch(tap, "keepClosed", keep)

    def lackNftables(self) -> None:
        """Pretend a kernel without nftables."""
        self.haveNftables("netlink: Error: cache initialization failed: Protocol not supported\n")

    def haveFirewalld(self, *names: str) -> FakeDBus:
        """Pretend a D-Bus with some names on it, and firewalld's client."""
        bus = FakeDBus(*names)
        bus.install(self)
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)
        return bus

    def make(self, *arguments: str) -> IService:
        """Return the service for a command line."""
        options = Options({})
        options.parseOptions(["-m", SEQ, "-p", "22", "--admin", "off", *arguments])
        return makeService(options)

    def refusal(self, *arguments: str) -> str:
        """Return the line with which the start fails."""
        end = self.assertRaises(SystemExit, self.make, *arguments)
        self.assertNotIn("\n", str(end.code))
        return str(end.code)

    def test_service(self) -> None:
        """It returns a service; no port is taken, and nothing is logged yet."""
        service = self.make("-f", "dry-run")
        verifyObject(IService, service)
        self.assertEqual([], self.host.bound())
        self.assertEqual(([], []), (self.reactor.getReaders(), self.log.lines()))

    def test_cleanLog(self) -> None:
        """From now on nothing in the log controls a terminal."""
        self.make("-f", "dry-run")
        written = StringIO()
        observer = textFileLogObserver(written)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        Logger("pkdoors.test").info("said {said}", said="\x1b[2J\nx")
        self.assertIn("said \\x1b[2J\\nx\n", written.getvalue())

    def test_uid(self) -> None:
        """The daemon refuses to give up its privileges: no knock could open anything."""
        options = Options({})
        options.parent = {"uid": 1000}  # type: ignore[assignment]
        options.parseOptions(["-m", SEQ, "-p", "22", "-f", "dry-run"])
        end = self.assertRaises(SystemExit, makeService, options)
        self.assertIn("twistd's --uid would take from the daemon the right", str(end.code))
        self.assertEqual([], self.host.bound())

    def test_zoneWithoutFirewalld(self) -> None:
        """A zone without firewalld is refused, not ignored."""
        line = self.refusal("-f", "nftables", "--zone", "public")
        self.assertIn("(--zone) needs firewalld, and the firewall here is nftables", line)

    def test_interfaces(self) -> None:
        """It hears only the given addresses."""
        service = self.make("-f", "dry-run", "--interface", "192.0.2.1")
        service.startService()
        self.addCleanup(service.stopService)
        assert isinstance(service, DoorService)
        self.assertEqual(("192.0.2.1",), service._reloader._ports.plan.interfaces)

    def test_serviceManager(self) -> None:
        """The service manager hears last, when the operator's commands are answered already."""
        config = Config((makeDoor(name="ssh"), makeDoor(name="web")), firewall="dry-run")
        *_, last = wire(config, self.reactor)._components
        assert isinstance(last, Notifier)
        self.assertEqual("guarding ssh (22/tcp), web (22/tcp) with dry-run", last._status())

    def test_logKnocks(self) -> None:
        """The option to log datagrams is passed on."""
        for logKnocks in (False, True):
            config = Config((makeDoor(),), firewall="dry-run", logKnocks=logKnocks)
            service = wire(config, self.reactor)
            service._keeper.knock(Knock("203.0.113.9", 17001, b"x"))
            self.assertEqual(logKnocks, "debug" in self.log.levels())

    def test_notes(self) -> None:
        """Only a daemon that opens something notes what it heard."""
        door = makeDoor(authorizedKeys="/keys")
        for firewall in ("nftables", "dry-run"):
            service = wire(Config((door,), firewall=firewall), self.reactor)
            self.assertEqual(firewall == "dry-run", service._smith._replayFile is None)

    def test_notesLast(self) -> None:
        """
        Their name depends on the configuration only, in whatever network namespace; without one, on
        the files of keys.
        """
        doors = (makeDoor(authorizedKeys="/keys"), makeDoor(name="web", authorizedKeys="/keys"))
        config = Config(doors, firewall="nftables")
        found = [
            wire(config, self.reactor, file=file)._smith._replayFile
            for file in ("/a.toml", "/a.toml", "/b.toml", "")
        ]
        one, same, other, byKeys = (each and each._path for each in found)
        self.assertEqual(seenPath("/a.toml"), one)
        self.assertEqual(one, same)
        self.assertEqual(seenPath("/keys"), byKeys)
        self.assertEqual(3, len({one, other, byKeys}))
        self.assertEqual({self.state}, {each.parent for each in (one, other) if each})

    def test_clock(self) -> None:
        """The reactor's clock does not jump with the time of day."""
        self.make("-f", "dry-run")
        self.assertIs(time.monotonic, self.reactor.seconds)

    def test_sealed(self) -> None:
        """A door with keys has a lock for them; a dry run has no notes."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        keys = folder / "keys"
        keys.write_text(publicLine(makeKey(), "anna"))
        keys.chmod(0o600)
        service = self.make("-f", "dry-run", "-k", str(keys))
        service.startService()
        self.addCleanup(service.stopService)
        self.assertIn(f"1 of the keys in {keys} may knock", self.log.lines())
        self.assertEqual(["keys"], [each.name for each in folder.iterdir()])

    def test_troubles(self) -> None:
        """The service manager and the operator hear of troubles."""
        config = Config((makeDoor(name="ssh", authorizedKeys="/nowhere/keys"),), firewall="dry-run")
        self.host.take(17001)
        service = wire(config, self.reactor)
        service.startService()
        self.addCleanup(service.stopService)
        *_, admin, notifier = service._components
        assert isinstance(notifier, Notifier)
        assert isinstance(admin, AdminSocket)
        ports, keys = admin._operations.status().troubles
        self.assertIn("1 of 5 knock ports is not heard over IPv4", ports)
        self.assertIn("cannot read /nowhere/keys", keys)
        self.assertEqual(
            f"degraded: {ports}; {keys} (guarding ssh (22/tcp) with dry-run)", notifier._status()
        )

    def test_firewalldUnknown(self) -> None:
        """If nobody can tell whether firewalld runs, the ports are still guarded."""
        self.haveNftables()
        replaceModule(self, "dbus", None)
        self.make()
        self.assertIn("cannot find out whether firewalld runs", self.log.lines(LogLevel.warn)[0])

    def test_zoneWhileFirewalldIsAway(self) -> None:
        """A zone does not prevent that while firewalld does not run."""
        self.haveNftables()
        self.haveFirewalld()
        self.make("--zone", "public")
        self.assertIn("zone (--zone) has no effect", self.log.lines(LogLevel.warn)[0])

    def test_noNftables(self) -> None:
        """A kernel without nftables is one line."""
        self.assertTrue(
            self.refusal("-f", "nftables").startswith("pkdoors: this kernel has no nftables (")
        )
        self.assertEqual([], self.host.bound())

    def test_firewalldMissing(self) -> None:
        """A missing python-firewall is one line that names the package."""
        self.haveNftables()
        replaceModule(self, "firewall", None)
        replaceModule(self, "firewall.client", None)
        self.assertIn("install python3-firewall", self.refusal("-f", "firewalld"))
        self.assertEqual([], self.host.bound())

    def test_firewalldNotRunning(self) -> None:
        """A firewalld that does not run is one line."""
        self.haveNftables()
        self.haveFirewalld()
        self.assertTrue(
            self.refusal("-f", "firewalld").startswith("pkdoors: firewalld is not running: start")
        )

    def test_firewalldWithoutNftables(self) -> None:
        """firewalld needs nftables, too: the guard is in it."""
        self.haveFirewalld("org.fedoraproject.FirewallD1")
        self.assertIn("this kernel has no nftables", self.refusal("-f", "firewalld"))

    def test_noZone(self) -> None:
        """A zone that firewalld does not have is one line, before the daemon forks."""
        self.haveNftables()
        bus = self.haveFirewalld("org.fedoraproject.FirewallD1")
        self.assertEqual(
            "pkdoors: firewalld has no zone 'nowhere': "
            "`firewall-cmd --get-zones` lists its zones; pkdoors has closed no port, because it "
            "has no earlier configuration to use",
            self.refusal("-f", "firewalld", "--zone", "nowhere"),
        )
        self.assertEqual(0, bus.connections)

    def test_zone(self) -> None:
        """A zone that it has is accepted."""
        self.haveNftables()
        self.haveFirewalld("org.fedoraproject.FirewallD1")
        verifyObject(IService, self.make("-f", "auto", "--zone", "internal"))

    def good(self, file: str = "") -> None:
        """Pretend a good configuration from before."""
        LastGood(self.state, file).write([makeDoor()])
        self.kept: list[tuple[Door, ...]] = []

        def keep(lastGood: LastGood, *_: object) -> str:
            self.kept.append(lastGood.read())
            return "; kept" if self.kept[-1] else ""

        self.patch(tap, "keepClosed", keep)

    def test_badOption(self) -> None:
        """A wrong option leaves the ports closed, and the line says so."""
        self.good()
        self.assertTrue(self.refusal("-t", "never").endswith("; kept"))
        self.assertTrue(self.refusal("-t").endswith("; kept"))
        self.assertEqual([1, 1], [len(each) for each in self.kept])

    def test_badFile(self) -> None:
        """So does a wrong file, whatever else is wrong; but not another file."""
        file = Path(self.mktemp()).absolute()
        self.good(str(file))
        for arguments in (["-c", str(file)], [f"--conf={file}", "--nonsense"], [f"-c{file}", "x"]):
            options = Options({})
            end = self.assertRaises(SystemExit, options.parseOptions, arguments)
            self.assertTrue(str(end.code).endswith("; kept"), end.code)
        end = self.assertRaises(SystemExit, Options({}).parseOptions, ["-c", "/no/such/file"])
        self.assertFalse(str(end.code).endswith("; kept"))

    def test_noFirewallKeepsClosed(self) -> None:
        """So does a firewall that cannot be used."""
        self.haveNftables()
        self.haveFirewalld()
        self.good()
        self.assertTrue(self.refusal("-f", "firewalld").endswith("; kept"))

    def test_anyFailureKeepsClosed(self) -> None:
        """So does an unforeseen error; only a mistake of ours has a traceback."""
        self.haveNftables()
        self.good()
        error: Exception = OSError(24, "Too many open files")

        def fail(*arguments: object) -> None:
            raise error

        for where, what in ((DoorService, "prepare"), (DaemonOptions, "parseOptions")):
            self.patch(where, what, fail)
            error = OSError(24, "Too many open files")
            self.assertTrue(self.refusal().endswith("Too many open files; kept"))
            error = ZeroDivisionError("oops")
            self.assertRaises(ZeroDivisionError, self.make)
        self.assertEqual([1] * 4, [len(each) for each in self.kept])

    def test_dryRunKeepsNothing(self) -> None:
        """A dry run touches nothing, right or wrong."""
        self.good()
        self.assertFalse(self.refusal("-f", "dry-run", "-t", "x").endswith("; kept"))
        self.assertEqual([], self.kept)

    def test_copy(self) -> None:
        """A running daemon keeps a copy of its configuration; not in a dry run."""
        for firewall, count in (("dry-run", 0), ("nftables", 1)):
            self.haveNftables()
            lastGood = LastGood(self.state, "/some/file")
            config = Config((makeDoor(),), firewall=firewall)
            wire(config, self.reactor, lastGood=lastGood)._reloader.announceFirst()
            self.assertEqual(count, len(lastGood.read()))

    def test_ownErrorsHaveNoTraceback(self) -> None:
        """A later error of pkdoors' own is one line."""
        self.assertEqual("pkdoors: no privilege\n", self.hooked(FirewallError("no privilege")))

    def test_ownErrorsAreToldOnce(self) -> None:
        """There is no line if the log has it already."""
        error = FirewallError("no privilege")
        error.isLogged = True
        self.assertEqual("", self.hooked(error))

    def test_othersHave(self) -> None:
        """Other exceptions are shown as usual."""
        self.assertIn("ZeroDivisionError: oops", self.hooked(ZeroDivisionError("oops")))

    def hooked(self, error: Exception) -> str:
        """Return what is printed for an exception that nobody catches."""
        self.make("-f", "dry-run")
        with redirect_stderr(StringIO()) as stderr:
            sys.excepthook(type(error), error, None)
        return stderr.getvalue()


NOT_LOADED = frozenset(
    """
    OpenSSL argcomplete bcrypt cryptography dbus firewall gi nftables pkdoors.admin._resources
    pkdoors.admin.records pkdoors.daemon.replayfile pkdoors.doorkeeper.control
    pkdoors.locks.sealed.authorizedkeys prometheus_client rich segno twisted.conch
    twisted.protocols.tls twisted.web xml
    """.split()
)
"""What a daemon does without until it is needed, which for most is never."""

_RUN = """
import sys
from pkdoors.daemon.process import takeReactor
from pkdoors.tap import Options, makeService
options = Options({})
options.parseOptions(sys.argv[1:])
service = makeService(options)
service.privilegedStartService()
service.startService()
reactor = takeReactor()
reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
reactor.callWhenRunning(reactor.callLater, 0, reactor.stop)
reactor.run()
import pkdoors.firewall.nftables.firewall
print(*sys.modules)
"""
"""Starts a daemon, ends it when it is ready, and tells what it, and nftables' part, has loaded."""


class LoadTests(SynchronousTestCase):
    """
    What an idle daemon loads.
    """

    def loaded(self, *more: str) -> set[str]:
        """Return the modules that an idle daemon has loaded."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        number = os.getpid()  # an address of the loopback that is nobody else's: ports are free
        address = f"127.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"
        options = ("-m", SEQ, "-p", "22", "-f", "dry-run", "--interface", address)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *options, "--admin", str(folder / "admin.sock"), *more],
            cwd=Path(tap.__file__).parent.parent,
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        modules = set(done.stdout.split())
        self.assertIn("pkdoors.admin._lazysite", modules)
        return modules

    def test_plain(self) -> None:
        """Without keys, it loads nothing that asks, signs or draws."""
        self.assertEqual(set(), self.loaded() & NOT_LOADED)

    def test_sealed(self) -> None:
        """With keys, it loads what checks signatures, and nothing else."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        keys = folder / "keys"
        keys.write_text(publicLine(makeKey(), "anna"))
        keys.chmod(0o600)
        keyed = {"bcrypt", "cryptography", "pkdoors.locks.sealed.authorizedkeys", "twisted.conch"}
        self.assertEqual(keyed, self.loaded("-k", str(keys)) & NOT_LOADED)


class PluginTests(SynchronousTestCase):
    """
    Tests of the plugin.
    """

    def test_plugin(self) -> None:
        """twistd finds the command C{pkdoors}, which is L{pkdoors.tap}."""
        from twisted.plugins.pkdoors_plugin import pkdoors

        verifyObject(IPlugin, pkdoors)
        verifyObject(IServiceMaker, pkdoors)
        self.assertEqual(("pkdoors", "pkdoors.tap"), (pkdoors.tapname, pkdoors.module))
        self.assertIs(Options, pkdoors.options)
        self.assertIs(makeService, pkdoors.makeService)
