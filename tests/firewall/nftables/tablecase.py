"""A table of the guard for tests of L{pkdoors.firewall.nftables.table}."""

import errno

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.flowbooks import Books
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.netlink.kernel import errorFor
from pkdoors.firewall.nftables.contents import reader
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Door, Opening
from tests.fakes.doors import flow, makeDoor
from tests.fakes.log import Log
from tests.fakes.nftables import FakeLibrary
from tests.fakes.tables import FakeTable, FakeTables

BOOT = "11111111222233334444555555555555"
TCP = flow().key
VPN = flow(port=51820, protocol="udp").key
NEXT = (1, 2, 3, 4, 5)
"""The sequence of a second door."""


class GuardTableTestCase(SynchronousTestCase):
    """
    A test with a table of the guard in a fake kernel.
    """

    isOwner = False

    def setUp(self) -> None:
        """Make an empty kernel, and one door."""
        self.log = Log(self)
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.boot = BOOT
        self.patch(reader, "readBootId", lambda: self.boot)
        self.bootOffset = 500.0
        self.tables = FakeTables(self.clock)
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.table = self.daemon(self.isOwner)

    def daemon(self, isOwner: bool = False) -> GuardTable:
        """Make a daemon's table."""
        self.library = FakeLibrary(self.tables, isOwner)
        return GuardTable(
            self.library,
            isOwner,
            self.clock.seconds,
            lambda: self.clock.seconds() + self.bootOffset,
        )

    def replace(
        self, *openings: Opening, flows: Books | None = None, doors: tuple[Door, ...] | None = None
    ) -> None:
        """Replace the guard by that of the doors."""
        self.doors = self.doors if doors is None else doors
        self.table.replace(Guard(self.doors), openings, flows or {})

    def steps(self) -> list[str]:
        """Return the transactions since the last call."""
        steps, self.tables.steps = self.tables.steps, []
        return steps

    def ours(self) -> FakeTable:
        """Return our table in the kernel."""
        return self.tables.tables[TABLE]

    def failAt(self, number: int, error: FirewallError | None = None) -> None:
        """Make one of the following steps fail, by its number from 0; the others succeed."""
        count = iter(range(1000))

        def check(step: str) -> None:
            if next(count) == number:
                raise error or errorFor(errno.EIO)

        self.tables.failing = check
