"""A test case with a host of a fleet, and the seals and orders for it."""

import os
from typing import Any

from pkdoors.knocks.order import Order, makeOrderData, packOrder
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.orders import OrderJudge, Verdict
from pkdoors.locks.relayed.relayedlock import RelayedLock
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.sealjudge import SealJudge
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor
from tests.lab.sealing import makeKey, publicLine
from tests.locks.sealed.case import ANN, TODAY, SealedLockTestCase, authorized, seal

OLGA, OTTO = makeKey(), makeKey()
FAR = "198.51.100.77"
GATE, WEB, STOLEN = "gate1", "web1", "web2"
"""A host that hears knocks, this host, and one that somebody has stolen."""


def ordered(
    verb: str, what: str, *, key: Any = OLGA, ago: float = 0.0, fleet: str = "prod", **fields: Any
) -> bytes:
    """Make an order of Olga's, now or C{ago} seconds before now."""
    stamp = fields.pop("stamp", TODAY * 1000 - round(1000 * ago))
    nonce = fields.pop("nonce", os.urandom(8).hex())
    text = Order(fleet, verb, what, stamp, nonce).encode()
    data = fields.pop("data", makeOrderData(text))
    signature = bytes(key.sign(data, key.supportedSignatureAlgorithms()[0]))
    return packOrder(text, fields.pop("hintOf", key).public().blob(), signature)


class FleetTestCase(SealedLockTestCase):
    """
    A host of a fleet, with a door that Anna may open for 300 s, or for at most 3600 s.

    @ivar now: the time on a clock that does not jump.
    @ivar today: the time of day.
    """

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.now, self.today = 1000.0, float(TODAY)
        self.memory = FleetMemory()
        self.operators = authorized(publicLine(OLGA, "olga"), publicLine(OTTO, "otto"))
        self.orders = OrderJudge("prod", lambda: self.operators, self.memory)
        self.setDoor()
        self.use()

    def setDoor(self, **fields: Any) -> None:
        """Give the host a door with these settings."""
        defaults: dict[str, Any] = {"authorizedKeys": "/keys", "fleet": True, "openFor": 300.0}
        self.lock = self.makeLock(makeDoor(**(defaults | fields)))

    def makeLock(self, door: Door, started: float = TODAY - 3600) -> Any:
        """Make a lock whose door is one of the fleet."""
        lock = super().makeLock(door, started)
        if hasattr(self, "memory"):
            lock.judge.findMemory = lambda: self.memory
            lock.judge.findRevoked = self.findRevoked
        return lock

    def findRevoked(self, key: AuthorizedKey) -> str:
        """Return why a key may not knock."""
        return self.memory.bans.findRefusal(key)

    def use(self, *trust: str) -> None:
        """Trust some hosts."""
        self.relayed = RelayedLock(self.findJudge, trust, WEB)

    def findJudge(self, name: str) -> SealJudge | None:
        """Return the judge of the only door."""
        return self.lock.judge if name == self.lock.door.name else None

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.today += seconds

    def judge(
        self, datagram: bytes, origin: str = GATE, source: str = ""
    ) -> Request | Refusal | None:
        """Judge a relayed seal."""
        return self.relayed.judge(datagram, origin, source, self.now, self.today)

    def relay(self, datagram: bytes, origin: str = GATE, source: str = "") -> str:
        """
        Judge a relayed seal. Return what becomes of it: for whom it opens and how many seconds are
        left, for whom it closes, C{"-"} or the reason of the refusal.
        """
        result = self.judge(datagram, origin, source)
        if result is None:
            return "-"
        if isinstance(result, Refusal):
            return result.reason.removesuffix(f", relayed by {origin}")
        if result.close:
            return f"close {result.source}"
        self.assertGreater(result.until, self.now)
        return f"{result.source} {result.until - self.now:g}"

    def udp(self, datagram: bytes, source: str = ANN) -> str:
        """Knock over UDP with a datagram, and return the outcome."""
        return self.knock(datagram, source=source, at=self.now, today=self.today)[-1]

    def order(self, data: bytes) -> Verdict:
        """Judge an order."""
        return self.orders.judge(data, self.now, self.today)

    def assertOpens(self, seconds: float, datagram: bytes, **how: str) -> None:
        """Assert that a relayed seal opens for Anna's address for so many seconds."""
        self.assertEqual(f"{ANN} {seconds:g}", self.relay(datagram, **how))

    def assertSilent(self, reason: str, datagram: bytes, **how: str) -> None:
        """Assert that a relayed seal opens nothing, however often it comes."""
        for _ in range(3):
            self.assertEqual(reason, self.relay(datagram, **how))


def bound(bind: str = ANN, **fields: Any) -> bytes:
    """Make a knock of Anna's that names its address, see L{seal}."""
    return seal(bind=bind, **fields)


def statementOf(datagram: bytes) -> bytes:
    """Return the statement of a knock, without its signature."""
    return datagram[: datagram.index(b"\n") + 1]
