"""A firewall over a fake kernel, for tests of L{pkdoors.firewall.nftables.firewall}."""

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.netlink.flows import Flow
from pkdoors.firewall.nftables._liveflows import LiveFlows
from pkdoors.firewall.nftables.contents import reader
from pkdoors.firewall.nftables.firewall import SETTLED, NftablesFirewall
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.host import descriptors
from pkdoors.model.doors import Door, Opening
from tests.fakes.doors import listTCP, makeDoor
from tests.fakes.log import Log
from tests.fakes.nftables import FakeLibrary, FakeMonitor
from tests.fakes.tables import FakeTable, FakeTables
from tests.lab.conntracking import Entry, answerOf

NEXT = (1, 2, 3, 4, 5)
ANN, EVE = "203.0.113.9", "203.0.113.66"


class NftablesTestCase(SynchronousTestCase):
    """
    A test with a firewall over a fake kernel.
    """

    def setUp(self) -> None:
        """Make a firewall with one door."""
        self.log = Log(self)
        self.clock = Clock()
        self.tables = FakeTables(self.clock)
        self.patch(reader, "readBootId", lambda: "a boot")
        self.patch(descriptors, "SPARE", 0)  # some tests make hundreds of firewalls, and stop none
        self.isOwner = False
        self.libraries: list[FakeLibrary] = []
        self.watch = FakeMonitor()
        self.lost: list[str] = []
        self.sockets: list[Flow] = []
        self.tracked: list[Entry] = []
        self.up = SETTLED
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.firewall = self.make()

    def make(self) -> NftablesFirewall:
        """Make a firewall."""
        return NftablesFirewall(
            self.clock, self.makeTable, self.watch.make, self.look, lambda: self.up
        )

    def makeTable(self, seconds: Callable[[], float]) -> GuardTable:
        """Make the firewall's table."""
        self.libraries.append(FakeLibrary(self.tables, self.isOwner))
        return GuardTable(self.libraries[-1], self.isOwner, seconds, self.clock.seconds)

    def look(self) -> LiveFlows:
        """Find the existing connections."""
        return LiveFlows(lambda: [listTCP(*self.sockets)], lambda: answerOf(self.tracked))

    def start(self, *doors: Door) -> list[Opening]:
        """Start with some doors."""
        self.doors = doors or self.doors
        return self.firewall.start(self.doors, self.lost.append)

    def restore(self, *openings: Opening) -> None:
        """Restore these openings."""
        self.successResultOf(self.firewall.restore(openings))

    def ours(self) -> FakeTable:
        """Return our table in the kernel."""
        return self.tables.tables[TABLE]

    def judging(self, port: int = 22, protocol: str = "tcp") -> list[str]:
        """Return the rules that judge packets to a port."""
        there = self.ours()
        chain = there.sets[f"{protocol}_doors"].elements[port.to_bytes(2)].data.split()[1]
        return there.texts(chain)

    def flows(self, name: str) -> set[bytes]:
        """Return the contents of a set of flows."""
        return set(self.tables.flows(name))

    def flush(self) -> None:
        """Flush nftables, as somebody else can."""
        self.tables.tables.clear()
