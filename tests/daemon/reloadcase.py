"""A daemon with two doors and two firewalls that reloads."""

from dataclasses import replace
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from pkdoors.daemon.reload import Reloaded
from pkdoors.doorkeeper.openings.state import OpeningStatus, Selection
from pkdoors.errors import FirewallError
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Door, Opening
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import makeDoor
from tests.fakes.hostcase import HostTestCase

ANN, BOB = "203.0.113.9", "2001:db8::7"

NO = FirewallError("no")

TODAY = 1_800_000_000

OTHER = (1, 2, 3, 4, 5)

SSH = makeDoor(name="ssh")

WEB = makeDoor(OTHER, ports="443", name="web")


class ReloadTestCase(HostTestCase):
    """
    A host with firewalld, and a daemon with two doors.

    @cvar before: what an earlier daemon left open.
    """

    before: ClassVar[list[Opening]] = []

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        self.daemon = MemoryDaemon(self.reactor, [self.guard, self.outer], (SSH, WEB))
        self.keeper, self.reloader = self.daemon.keeper, self.daemon.reloader
        self.events, self.smith = self.daemon.events, self.daemon.smith
        self.guard.before = self.before
        self.keeper.start()
        self.reloader.listen()
        self.reactor.pump([0, 1])
        self.events.clear()

    def begin(self, *doors: Door, **fields: Any) -> Deferred[Reloaded]:
        """Begin to reload, with some doors."""
        config = self.daemon.config
        self.daemon.config = replace(config, doors=doors or config.doors, **fields)
        return Deferred.fromCoroutine(self.reloader.reload())

    def reload(self, *doors: Door, **fields: Any) -> Reloaded:
        """Reload."""
        done = self.begin(*doors, **fields)
        self.reactor.pump([0, 0.1])
        return self.successResultOf(done)

    def request(self, door: Door = SSH, source: str = ANN, seconds: float = 0) -> None:
        """Request an opening, as a lock does."""
        self.keeper.request(Request(door, source, seconds))

    def knock(self, *ports: int, source: str = ANN) -> None:
        """Deliver knocks."""
        for port in ports:
            self.host.find("0.0.0.0", port).reorderer.append((b"knock\n", (source, 5555)))
            for reader in self.reactor.getReaders():
                reader.doRead()
            self.reactor.advance(0)

    def kinds(self) -> list[str]:
        """Return the kinds of events."""
        return [event.kind for event in self.events]

    def ports(self) -> list[int]:
        """Return the ports that we hear, over IPv4."""
        readers = {each.fileno() for each in self.reactor.getReaders()}
        taken = [each for each in self.host.sockets if each.isOpen]
        self.assertEqual(readers, {each.fileno() for each in taken})
        return sorted(each.address[1] for each in taken if each.address[0] == "0.0.0.0")

    def statuses(self) -> list[OpeningStatus]:
        """Return all openings, which are found at once."""
        found = Deferred.fromCoroutine(self.keeper.select(Selection()))
        self.reactor.advance(0)
        return [*self.successResultOf(found).statuses]

    def snapshot(self) -> tuple[Any, ...]:
        """Return everything that a reload could change."""
        return (
            self.reloader.config,
            self.keeper.doors,
            self.statuses(),
            self.keeper.state().sources,
            (self.guard.guarded, self.guard.doorsOpen()),
            (self.outer.guarded, self.outer.doorsOpen()),
            self.ports(),
        )

    def assertGone(self) -> None:
        """Assert that no door is open for anybody, and that nothing is remembered."""
        self.assertEqual(({}, {}), (self.guard.doorsOpen(), self.outer.doorsOpen()))
        self.assertEqual([], self.statuses())
        self.assertEqual([], self.reactor.getDelayedCalls())
