"""A doorkeeper on a clock and a firewall in memory."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.openings.state import OpeningStatus, Page, Selection
from pkdoors.errors import FirewallError
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log, useUTC

ANN, BOB = "203.0.113.9", "2001:db8::7"

BUSY = FirewallError("firewall is busy")

CANNOT_OPEN = "cannot open door default (22/tcp) for 203.0.113.9, retrying: firewall is busy"

CANNOT_CLOSE = CANNOT_OPEN.replace("open", "close")


class KeeperTestCase(SynchronousTestCase):
    """
    A door that opens for 30 s, an hour at most, at 8 o'clock in the morning.
    """

    def setUp(self) -> None:
        """Make the doorkeeper."""
        useUTC(self)
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.door = makeDoor()
        self.keeper = self.makeKeeper(self.door)

    def makeKeeper(self, *doors: Door) -> Doorkeeper:
        """Return a doorkeeper with some doors."""
        daemon = MemoryDaemon(self.clock, [self.firewall], doors)
        self.events = daemon.events
        return daemon.keeper

    def request(self, seconds: int = 0, source: str = ANN) -> None:
        """Request an opening, as a lock does."""
        self.keeper.request(Request(self.door, source, seconds))

    def calls(self) -> list[str]:
        """Return the calls to the firewall since the last time."""
        calls, self.firewall.calls = self.firewall.calls, []
        return calls

    def select(self, **selection: Any) -> Page:
        """Return a page of openings, which is found at once."""
        found = self.keeper.select(Selection(**selection))
        return self.successResultOf(Deferred.fromCoroutine(found))

    def statuses(self, **selection: Any) -> list[OpeningStatus]:
        """Return the openings of such a page."""
        return [*self.select(**selection).statuses]

    def openings(self) -> list[tuple[str, float]]:
        """Return source and deadline of each opening that the doorkeeper knows."""
        return [(str(each.source), each.deadline) for each in self.keeper.openings()]
