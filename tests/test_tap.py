"""Tests of L{pkdoors.tap} and of the plugin."""

import sys
import time
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.application.service import IService, IServiceMaker
from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogPublisher, textFileLogObserver
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.admin.fleet.fleetsocket import FleetSocket
from pkdoors.admin.unixsocket import AdminSocket
from pkdoors.config.config import Config
from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.daemon.component import OnDemand
from pkdoors.daemon.notes.replayfile import seenPath
from pkdoors.daemon.rates import STEP, Rates
from pkdoors.daemon.sdnotify import Notifier
from pkdoors.daemon.service import DoorService
from pkdoors.errors import ConfigError, FirewallError
from pkdoors.knockports.knocklog import KnockLog
from pkdoors.knockports.knockports import KnockPorts
from pkdoors.knockports.plan import Plan
from pkdoors.knocks.knock import Knock
from pkdoors.tap import Options, makeService
from pkdoors.util.turns import atOnce
from pkdoors.wiring import markFiles, wire
from tests.fakes.doors import makeDoor
from tests.fakes.refusals import refusal
from tests.lab.sealing import makeKey, publicLine
from tests.tapcase import SEQ, TapTestCase

FLEET = FleetConfig("prod", "web1", ("gate1", "web1"), Engine("redis.example"))


class MakeServiceTests(TapTestCase):
    """
    Tests of L{makeService} and L{wire}.
    """

    def test_service(self) -> None:
        """It returns a service; no port is taken, and nothing is logged yet."""
        service = self.make("-f", "dry-run")
        verifyObject(IService, service)
        self.assertEqual([], self.host.bound())
        self.assertEqual(([], []), (self.reactor.getReaders(), self.log.lines()))

    def test_capture(self) -> None:
        """The service reads the packet log if it is to capture knocks; else it has sockets."""
        door = makeDoor()
        for listen, kind in (("capture", KnockLog), ("sockets", KnockPorts)):
            config = Config((door,), firewall="nftables", listen=listen)
            ports = wire(config, self.reactor)._reloader._ports
            self.assertIsInstance(ports, kind)
            ports.check(Plan((1, 2)))  # there is room

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
        line = refusal(self, 1, makeService, options)
        self.assertIn("twistd's --uid would take from the daemon the right", line)
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

    def test_rates(self) -> None:
        """The counts of each step begin with the service, and end with it."""
        service = wire(Config((makeDoor(),), admin="", firewall="dry-run"), self.reactor)
        service.startService()
        (rates,) = (part for part in service._components if isinstance(part, Rates))
        self.reactor.advance(STEP)
        self.assertEqual(1, len(rates.steps()))
        service.stopService()
        self.reactor.advance(STEP)
        self.assertEqual(1, len(rates.steps()))

    def test_fleet(self) -> None:
        """
        A host of a fleet has a socket for it beside the operator's, and another one has not; nor
        has a dry run, which opens nothing.
        """
        doors = (makeDoor(authorizedKeys="/keys", fleet=True),)
        fleet = FleetConfig("prod", "web1", ("web1",), Engine("redis.example"))
        for firewall, path in (("nftables", "/run/x/fleet.sock"), ("dry-run", "")):
            config = Config(doors, firewall=firewall, admin="/run/x/admin.sock", fleet=fleet)
            self.assertEqual(path, self.findFleet(config))
        self.assertEqual("", self.findFleet(Config((makeDoor(),), firewall="nftables")))

    def findFleet(self, config: Config) -> str:
        """Return the path of the fleet's socket; empty for none."""
        *_, fleet, _, _ = wire(config, self.reactor)._components
        assert isinstance(fleet, OnDemand)
        part = fleet._part
        assert part is None or isinstance(part, FleetSocket)
        return part._path if part is not None else ""

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
        one, same, other, byKeys = (each and each.path for each in found)
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
        status = self.successResultOf(Deferred.fromCoroutine(admin._operations.status()))
        ports, keys = status.troubles
        self.assertIn("1 of 5 knock ports is not heard over IPv4", ports)
        self.assertIn("cannot read /nowhere/keys", keys)
        self.assertEqual(
            f"degraded: {ports}; {keys} (guarding ssh (22/tcp) with dry-run)", notifier._status()
        )

    def test_reloadTrouble(self) -> None:
        """They hear of a refused reload, and the operator of a file that nobody reloaded."""
        door = makeDoor(name="ssh")
        config = Config((door,), firewall="dry-run")
        file = Path(self.mktemp())
        file.touch()
        now = [config]
        service = wire(config, self.reactor, read=lambda: now[0], file=str(file))
        service.startService()
        self.addCleanup(service.stopService)
        self.patch(service._reloader, "_beside", atOnce)
        *_, admin, notifier = service._components
        assert isinstance(notifier, Notifier)
        assert isinstance(admin, AdminSocket)
        now[0] = replace(config, zone="home")
        self.failureResultOf(service.reload(), ConfigError)
        status = self.successResultOf(Deferred.fromCoroutine(admin._operations.status()))
        self.assertEqual([service._reloader.refusal], status.troubles)
        self.assertIn("degraded: the last reload was refused", notifier._status())
        now[0] = replace(config, doors=(replace(door, openFor=7.0),))
        file.write_text("changed")
        status = self.successResultOf(Deferred.fromCoroutine(admin._operations.status()))
        self.assertEqual([], status.troubles)
        self.assertEqual(["door ssh (22/tcp) changed: open_for"], status.pending)

    def test_marks(self) -> None:
        """A change of the fleet's file is one of the configuration, if a door is a fleet's."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        file, fleet = folder / "pkdoors.toml", folder / "fleet.toml"
        for path in (file, fleet):
            path.touch()
        for isMember in (False, True):
            config = Config((makeDoor(),), fleet=FLEET if isMember else None)
            before = markFiles(str(file), config)
            self.assertEqual(before, markFiles(str(file), config))
            fleet.write_text(f"changed {isMember}")
            self.assertEqual(isMember, before != markFiles(str(file), config))
            file.write_text(f"changed {isMember}")
            self.assertNotEqual(before, markFiles(str(file), config))
        self.assertEqual((None, None), markFiles("", config))


class ErrorTests(TapTestCase):
    """
    What is printed for an error that nobody catches.
    """

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
