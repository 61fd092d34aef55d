"""Tests of L{pkdoors.tap}: the choice of a firewall, and starts that fail."""

from pathlib import Path

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel
from zope.interface.verify import verifyObject

from pkdoors.config.config import Config
from pkdoors.config.lastgood import LastGood
from pkdoors.config.options import Options as DaemonOptions
from pkdoors.daemon.process import options
from pkdoors.daemon.service import DoorService
from pkdoors.model.doors import Door
from pkdoors.tap import Options
from pkdoors.wiring import wire
from tests.fakes.doors import makeDoor
from tests.fakes.modules import replaceModule
from tests.fakes.refusals import refusal
from tests.tapcase import TapTestCase


class FirewallTests(TapTestCase):
    """
    The choice of a firewall by L{makeService}.
    """

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


class KeepClosedTests(TapTestCase):
    """
    Starts that fail, which leave the ports closed.
    """

    def good(self, file: str = "") -> None:
        """Pretend a good configuration from before."""
        LastGood(self.state, file).write([makeDoor()])
        self.kept: list[tuple[Door, ...]] = []

        def keep(lastGood: LastGood, *_: object) -> str:
            self.kept.append(lastGood.read())
            return "; kept" if self.kept[-1] else ""

        self.patch(options, "keepClosed", keep)

    def test_badOption(self) -> None:
        """A wrong option leaves the ports closed, and the line says so."""
        self.good()
        self.assertTrue(self.refusal("-t", "never", status=2).endswith("; kept"))
        self.assertTrue(self.refusal("-t", status=2).endswith("; kept"))
        self.assertEqual([1, 1], [len(each) for each in self.kept])

    def test_badFile(self) -> None:
        """So does a wrong file, whatever else is wrong; but not another file."""
        file = Path(self.mktemp()).absolute()
        self.good(str(file))
        for status, arguments in (
            (78, ["-c", str(file)]),
            (2, [f"--conf={file}", "--nonsense"]),
            (2, [f"-c{file}", "x"]),
        ):
            wanted = Options({})
            line = refusal(self, status, wanted.parseOptions, arguments)
            self.assertTrue(line.endswith("; kept"), line)
        line = refusal(self, 78, Options({}).parseOptions, ["-c", "/no/such/file"])
        self.assertFalse(line.endswith("; kept"))

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
        self.assertFalse(self.refusal("-f", "dry-run", "-t", "x", status=2).endswith("; kept"))
        self.assertEqual([], self.kept)

    def test_copy(self) -> None:
        """A running daemon keeps a copy of its configuration; not in a dry run."""
        for firewall, count in (("dry-run", 0), ("nftables", 1)):
            self.haveNftables()
            lastGood = LastGood(self.state, "/some/file")
            config = Config((makeDoor(),), firewall=firewall)
            reloader = wire(config, self.reactor, lastGood=lastGood)._reloader
            done = Deferred.fromCoroutine(reloader.announceFirst())
            self.reactor.pump([0, 0])
            self.successResultOf(done)
            self.assertEqual(count, len(lastGood.read()))
