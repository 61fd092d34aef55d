"""A daemon in memory, and the operations on it."""

import json
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.admin.records import LazyRecords, simplify
from pkdoors.errors import FirewallError, PkdoorsError
from pkdoors.host import clientaddress
from pkdoors.model.doors import Door
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import makeDoor
from tests.fakes.hostcase import HostTestCase

ANN, BOB = "192.0.2.7", "2001:db8::7"
BROADCAST = "192.0.2.255"
BROADCASTS = (BROADCAST, "255.255.255.255")
NO = FirewallError("no privilege")
TODAY = 1_795_420_800.0  # 2026-11-23T08:00:00Z
SSH = makeDoor(name="ssh")
WEB = makeDoor(
    (1, 2, 3, 4, 5),
    ports="443",
    name="web",
    cutSessions=True,
    maxOpenFor=60.0,
    trusted=parseTrustedList("192.168.1.0/24,wg0"),
)


def write(record: object) -> dict[str, Any]:
    """Return the JSON of a record."""

    def convert(value: object) -> Any:
        return list(value) if isinstance(value, LazyRecords) else simplify(value)

    answer: dict[str, Any] = json.loads(json.dumps(record, default=convert))
    return answer


class OperationsTestCase(HostTestCase):
    """Has a daemon with two doors, on a host with two firewalls."""

    doors: tuple[Door, ...] = (SSH, WEB)

    def setUp(self) -> None:
        """Start the daemon."""
        super().setUp()
        self.daemon = MemoryDaemon(
            self.reactor,
            [self.guard, self.outer],
            self.doors,
            wallClock=lambda: TODAY + self.reactor.seconds(),
        )
        self.keeper, self.stack = self.daemon.keeper, self.daemon.stack
        self.operations = self.daemon.makeOperations("a port is busy")
        self.patch(clientaddress, "_isBroadcast", lambda address: str(address) in BROADCASTS)
        self.keeper.start()
        self.reactor.advance(0)

    def begin(self, work: Coroutine[Any, Any, object]) -> Deferred[dict[str, Any]]:
        """Begin an operation; return the JSON of its answer later."""
        return Deferred.fromCoroutine(work).addCallback(write)

    def do(self, work: Coroutine[Any, Any, object]) -> dict[str, Any]:
        """Return the JSON of the answer of an operation, which is done without a wait."""
        answer = self.begin(work)
        for _ in range(5):  # openings are looked at some in each turn
            if not answer.called:
                self.reactor.advance(0)
        return self.successResultOf(answer)

    def refused(self, work: Coroutine[Any, Any, Any], kind: type[PkdoorsError]) -> str:
        """Return the sentence with which an operation fails at once."""
        error = self.failureResultOf(self.begin(work)).value
        self.assertIsInstance(error, kind)
        self.assertNobodyWaits()
        return str(error)

    def assertNobodyWaits(self) -> None:
        """Assert that nobody waits for an opening any more, or for events, but the daemon."""
        self.assertEqual(2, len(self.daemon.publisher._subscribers))
        for waiters in (self.keeper._lives.settled, self.keeper._lives.closed):
            self.assertEqual({}, waiters._waiting)

    def names(self, openings: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """Return the door and the source of each opening."""
        return [(opening["door"], opening["source"]) for opening in openings]
