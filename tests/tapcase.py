"""A fake host for tests of L{pkdoors.tap}."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twisted.application.service import IService
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors import tap, wiring
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.daemon.notes import replayfile
from pkdoors.daemon.process import options, setup
from pkdoors.firewall.netlink import library
from pkdoors.firewall.nftables import firewall as nftables
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.standalone import isGuarded
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host.instance import Instance
from pkdoors.tap import Options, makeService
from tests.fakes.dbus import FakeDBus
from tests.fakes.host import FakeHost
from tests.fakes.log import Log
from tests.fakes.modules import makeModule, replaceModule, replaceReactor
from tests.fakes.nftables import FakeLibrary
from tests.fakes.reactor import FakeReactor
from tests.fakes.refusals import refusal
from tests.fakes.tables import FakeTables

SEQ = "17001,17203,17005,17404,17002"


class TapTestCase(SynchronousTestCase):
    """
    A host and a reactor that are fakes, and the service for a command line.
    """

    def setUp(self) -> None:
        """Replace the host and the reactor, and restore what is changed."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.reactor = FakeReactor()
        replaceReactor(self, self.reactor)
        self.patch(sys, "excepthook", sys.excepthook)
        folder = Path(self.mktemp())  # another run on this machine may be at the same test
        self.state = Path(self.mktemp())
        for module in (tap, options, wiring):
            self.patch(module, "Instance", lambda: Instance(folder))
        for module in (tap, options, replayfile):
            self.patch(module, "STATE", self.state)
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.patch(setup, "handleInterrupt", lambda: None)  # Ctrl-C is for trial
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
        for module in (tap, options):
            self.patch(module, "keepClosed", keep)

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
        wanted = Options({})
        wanted.parseOptions(["-m", SEQ, "-p", "22", "--admin", "off", *arguments])
        return makeService(wanted)

    def refusal(self, *arguments: str, status: int = 1) -> str:
        """Return the line with which the start fails."""
        return refusal(self, status, self.make, *arguments)
