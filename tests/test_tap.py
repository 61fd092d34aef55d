"""Tests of L{pkdoors.tap} and of the plugin."""

import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.application.service import IService, IServiceMaker
from twisted.logger import Logger, globalLogPublisher, textFileLogObserver
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors import tap
from pkdoors.config import Config
from pkdoors.errors import FirewallError
from pkdoors.firewall import kernel
from pkdoors.firewall.dryrun import DryRunFirewall
from pkdoors.firewall.firewalld import FirewalldFirewall
from pkdoors.firewall.nftables import NftablesFirewall
from pkdoors.instance import Instance
from pkdoors.knock import Knock
from pkdoors.notify import Notifier
from pkdoors.tap import Options, chooseFirewalls, heedHangup, makeService, wire
from tests.fakes import (
    FakeDBus,
    FakeHost,
    FakeNetlink,
    FakeNftables,
    FakeReactor,
    Log,
    makeDoor,
    makeModule,
    replaceModule,
    replaceReactor,
)
from tests.sealing import makeKey, publicLine

SEQ = "17001,17203,17005,17404,17002"


class ChooseFirewallTests(SynchronousTestCase):
    """
    Tests of L{chooseFirewalls}.
    """

    def choose(self, firewall: str) -> list[type]:
        """What is chosen, the innermost first."""
        config = Config((makeDoor(),), firewall=firewall)
        return [type(each) for each in chooseFirewalls(config, FakeReactor())]

    def test_named(self) -> None:
        """
        What was asked for is taken, without looking whether it is there; with firewalld there is
        always the guard behind it.
        """
        replaceModule(self, "dbus", None)
        replaceModule(self, "nftables", None)
        self.assertEqual([NftablesFirewall], self.choose("nftables"))
        self.assertEqual([NftablesFirewall, FirewalldFirewall], self.choose("firewalld"))
        self.assertEqual([DryRunFirewall], self.choose("dry-run"))

    def test_autoWithFirewalld(self) -> None:
        """C{auto} takes firewalld where it runs."""
        FakeDBus("org.fedoraproject.FirewallD1").install(self)
        self.assertEqual([NftablesFirewall, FirewalldFirewall], self.choose("auto"))

    def test_autoWithoutFirewalld(self) -> None:
        """C{auto} takes nftables alone where firewalld does not run."""
        FakeDBus().install(self)
        self.assertEqual([NftablesFirewall], self.choose("auto"))

    def test_autoWithoutBus(self) -> None:
        """So it does where there is no D-Bus."""
        bus = FakeDBus()
        bus.names = None
        bus.install(self)
        self.assertEqual([NftablesFirewall], self.choose("auto"))


class MakeServiceTests(SynchronousTestCase):
    """
    Tests of L{makeService} and L{wire}.
    """

    def setUp(self) -> None:
        """Have a host and a reactor, and put back what is changed."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        replaceReactor(self, self.reactor)
        self.patch(sys, "excepthook", sys.excepthook)
        folder = Path(self.mktemp())  # another run on this machine may be at the same test
        self.patch(tap, "Instance", lambda: Instance(folder))
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))

    def haveNftables(self) -> None:
        """Have a kernel with nftables, and the privilege, from now on."""
        netlink = FakeNetlink(self)
        self.host = FakeHost(self)
        self.host.netlink = netlink
        self.patch(kernel, "mayAdminister", lambda status: True)
        replaceModule(self, "nftables", makeModule("nftables", Nftables=FakeNftables))

    def haveFirewalld(self, *names: str) -> FakeDBus:
        """Have a D-Bus with some names on it, and firewalld's client."""
        bus = FakeDBus(*names)
        bus.install(self)
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)
        return bus

    def make(self, *arguments: str) -> IService:
        """The service of a command line."""
        options = Options({})
        options.parseOptions(["-m", SEQ, "-p", "22", "--admin", "off", *arguments])
        return makeService(options)

    def refusal(self, *arguments: str) -> str:
        """The line with which it ends."""
        end = self.assertRaises(SystemExit, self.make, *arguments)
        self.assertNotIn("\n", str(end.code))
        return str(end.code)

    def test_service(self) -> None:
        """It gives a service that has its ports; nothing is read and nothing logged yet."""
        service = self.make("-f", "dry-run")
        verifyObject(IService, service)
        self.assertEqual(10, len(self.host.bound()))
        self.assertEqual(([], []), (self.reactor.getReaders(), self.log.lines()))

    def test_cleanLog(self) -> None:
        """From now on nothing in the log steers a terminal."""
        self.make("-f", "dry-run")
        written = StringIO()
        observer = textFileLogObserver(written)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        Logger("pkdoors.test").info("said {said}", said="\x1b[2J\nx")
        self.assertIn("said \\x1b[2J\\nx\n", written.getvalue())

    def test_uid(self) -> None:
        """To have twistd give up its privileges is refused: no knock could open anything."""
        options = Options({})
        options.parent = {"uid": 1000}  # type: ignore[assignment]
        options.parseOptions(["-m", SEQ, "-p", "22", "-f", "dry-run"])
        end = self.assertRaises(SystemExit, makeService, options)
        self.assertIn("twistd's --uid would take the right", str(end.code))
        self.assertEqual([], self.host.bound())

    def test_zoneWithoutFirewalld(self) -> None:
        """A zone without firewalld is refused, not ignored."""
        line = self.refusal("-f", "nftables", "--zone", "public")
        self.assertIn("(--zone) counts only with firewalld, and it is nftables here", line)

    def test_interfaces(self) -> None:
        """The ports are taken on the interfaces that were asked for."""
        self.make("-f", "dry-run", "--interface", "192.0.2.1")
        self.assertEqual({"192.0.2.1"}, {address for address, _ in self.host.bound()})

    def test_serviceManager(self) -> None:
        """The service manager is told last, when the operator's commands are answered already."""
        config = Config((makeDoor(name="ssh"), makeDoor(name="web")), firewall="dry-run")
        *_, last = wire(config, self.reactor)._parts
        assert isinstance(last, Notifier)
        self.assertEqual("guarding ssh (22/tcp), web (22/tcp) with dry-run", last._status())

    def test_logKnocks(self) -> None:
        """Logging of datagrams is passed on."""
        for logKnocks in (False, True):
            config = Config((makeDoor(),), firewall="dry-run", logKnocks=logKnocks)
            service = wire(config, self.reactor)
            service._keeper.knock(Knock("203.0.113.9", 17001, b"x"))
            self.assertEqual(logKnocks, "debug" in self.log.levels())

    def test_notes(self) -> None:
        """Only a daemon that opens something notes what it heard."""
        for firewall in ("nftables", "dry-run"):
            service = wire(Config((makeDoor(),), firewall=firewall), self.reactor)
            self.assertEqual(firewall == "dry-run", service._smith._seenFile is None)

    def test_clock(self) -> None:
        """The reactor's clock does not jump with the time of day."""
        self.make("-f", "dry-run")
        self.assertIs(time.monotonic, self.reactor.seconds)

    def test_portTaken(self) -> None:
        """A knock port in use is one line."""
        self.host.take(17203)
        self.assertEqual(
            "pkdoors: cannot listen on knock port 17203/udp of 0.0.0.0: another program has it, "
            "`ss -lunp` tells which: end that or take another",
            self.refusal("-f", "dry-run"),
        )

    def test_sealed(self) -> None:
        """A door with keys is made with a lock for those; there are no notes of a dry run."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        keys = folder / "keys"
        keys.write_text(publicLine(makeKey(), "anna"))
        keys.chmod(0o600)
        verifyObject(IService, self.make("-f", "dry-run", "-k", str(keys)))
        self.assertEqual([f"1 of the keys in {keys} may knock"], self.log.lines())
        self.assertEqual(["keys"], [each.name for each in folder.iterdir()])

    def test_noKeys(self) -> None:
        """A file of keys that is not there is one line; the ports are given back."""
        self.assertEqual(
            "pkdoors: cannot read /nowhere/keys (No such file or directory): "
            "it has the keys that may knock, lines of ssh-keygen's .pub files",
            self.refusal("-f", "dry-run", "-k", "/nowhere/keys"),
        )
        self.assertEqual([], self.host.bound())

    def test_noNftables(self) -> None:
        """A kernel without nftables is one line; the ports are given back."""
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
        """A kernel without nftables will not do for firewalld either: the guard is in it."""
        self.haveFirewalld("org.fedoraproject.FirewallD1")
        self.assertIn("this kernel has no nftables", self.refusal("-f", "firewalld"))

    def test_noZone(self) -> None:
        """A zone that firewalld does not have is one line, and told before the daemon forks."""
        self.haveNftables()
        bus = self.haveFirewalld("org.fedoraproject.FirewallD1")
        self.assertEqual(
            "pkdoors: firewalld has no zone 'nowhere': "
            "`firewall-cmd --get-zones` lists those it has",
            self.refusal("-f", "firewalld", "--zone", "nowhere"),
        )
        self.assertEqual(0, bus.connections)

    def test_zone(self) -> None:
        """One that it has will do."""
        self.haveNftables()
        self.haveFirewalld("org.fedoraproject.FirewallD1")
        verifyObject(IService, self.make("-f", "auto", "--zone", "internal"))
        self.assertEqual(10, len(self.host.bound()))

    def test_ownErrorsHaveNoTraceback(self) -> None:
        """What ends the start later is no traceback where it is an error of pkdoors' own."""
        self.assertEqual("", self.hooked(FirewallError("no privilege")))

    def test_othersHave(self) -> None:
        """Other exceptions are shown as ever."""
        self.assertIn("ZeroDivisionError: oops", self.hooked(ZeroDivisionError("oops")))

    def hooked(self, error: Exception) -> str:
        """What an exception that nobody catches prints."""
        self.make("-f", "dry-run")
        with redirect_stderr(StringIO()) as stderr:
            sys.excepthook(type(error), error, None)
        return stderr.getvalue()


NOT_LOADED = frozenset(
    """
    OpenSSL argcomplete bcrypt cryptography dbus firewall gi nftables pkdoors.admin.resources
    pkdoors.seals.authorizedkeys prometheus_client rich segno twisted.conch twisted.protocols.tls
    twisted.web xml
    """.split()
)
"""What a daemon does without until it is needed, which for most is never."""

_RUN = """
import sys
from pkdoors.tap import Options, makeService, takeReactor
options = Options({})
options.parseOptions(sys.argv[1:])
service = makeService(options)
service.privilegedStartService()
service.startService()
reactor = takeReactor()
reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
reactor.callWhenRunning(reactor.callLater, 0, reactor.stop)
reactor.run()
import pkdoors.firewall.nftables
print(*sys.modules)
"""
"""Starts a daemon, ends it when it is ready, and tells what it, and nftables' part, has loaded."""


class LoadTests(SynchronousTestCase):
    """
    What an idle daemon loads.
    """

    def loaded(self, *more: str) -> set[str]:
        """The modules of a daemon that nobody asks."""
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
        self.assertIn("pkdoors.admin.site", modules)
        return modules

    def test_plain(self) -> None:
        """Without keys nothing is loaded that asks, signs or draws."""
        self.assertEqual(set(), self.loaded() & NOT_LOADED)

    def test_sealed(self) -> None:
        """With keys, what checks signatures is, and nothing else."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        keys = folder / "keys"
        keys.write_text(publicLine(makeKey(), "anna"))
        keys.chmod(0o600)
        keyed = {"bcrypt", "cryptography", "pkdoors.seals.authorizedkeys", "twisted.conch"}
        self.assertEqual(keyed, self.loaded("-k", str(keys)) & NOT_LOADED)


class HangupTests(SynchronousTestCase):
    """
    Tests of L{heedHangup}.
    """

    def setUp(self) -> None:
        """Have a reactor, and what a terminal would do."""
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.reactor = FakeReactor()
        self.done: list[str] = []
        self.patch(self.reactor, "stop", lambda: self.done.append("stop"))
        self.hasTerminal = True
        self.patch(tap, "_hasTerminal", lambda: self.hasTerminal)

    def heed(self, nodaemon: bool = True) -> None:
        """Be a daemon from now on."""
        options = Options({})
        options.parent = {"nodaemon": nodaemon}  # type: ignore[assignment]
        heedHangup(options, self.reactor, lambda: self.done.append("reload"))

    def hangUp(self) -> list[str]:
        """A SIGHUP comes; what is done, in the reactor's next turn and not before."""
        self.done.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual([], self.done)
        self.reactor.advance(0)
        return list(self.done)

    def test_reload(self) -> None:
        """It reloads, as often as it comes."""
        self.heed(nodaemon=False)
        self.assertEqual(["reload"], self.hangUp())
        self.assertEqual(["reload"], self.hangUp())

    def test_terminal(self) -> None:
        """In the foreground it reloads while the terminal is there, and ends it when it is not."""
        self.heed()
        self.assertEqual(["reload"], self.hangUp())
        self.hasTerminal = False
        self.assertEqual(["stop"], self.hangUp())

    def test_noTerminal(self) -> None:
        """Where there never was a terminal, it reloads: a service manager starts it so."""
        self.hasTerminal = False
        self.heed()
        self.assertEqual(["reload"], self.hangUp())

    def test_nohup(self) -> None:
        """nohup(1) has it go on without one."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.heed()
        self.hasTerminal = False
        self.assertEqual(["reload"], self.hangUp())


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
