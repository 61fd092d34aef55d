"""A host of a fleet, in memory."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.daemon.fleet.fleet import Fleet
from pkdoors.doorkeeper.outcome import Outcome
from pkdoors.knocks.order import Order, makeOrderData, makeOrderNonce, packOrder
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.sealed.sealjudge import SealJudge
from tests.daemon.fleet.test_outbox import FakeFollower
from tests.fakes.daemon import TODAY, MemoryDaemon
from tests.fakes.doors import PORTS, knocks, makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log, useUTC
from tests.lab.sealing import makeKey, publicLine, sealed

ANN, BOB = "203.0.113.9", "2001:db8::7"
GATE, HOST, OTHER = "gate1", "web1", "web2"
ANNA, OLGA = makeKey(), makeKey()
ANNAS = fingerprint(ANNA.public().blob())
OLGAS = fingerprint(OLGA.public().blob())
CONFIG = FleetConfig("prod", HOST, (GATE, HOST, OTHER), Engine("redis.example"))


def seal(bind: str = ANN, ago: float = 0, key: Any = ANNA, at: float = 0, **fields: Any) -> bytes:
    """
    Return a seal, by default one of Anna's for her address.

    @param ago: seconds before L{TODAY} at which it was made.
    """
    stamp = round(1000 * (TODAY + at - ago))
    return sealed(key, PORTS, **({"stamp": stamp, "bind": bind} | fields))


def order(verb: str, what: str, at: float = 0, key: Any = OLGA, fleet: str = "prod") -> bytes:
    """Return a sealed order, by default one of Olga's."""
    text = Order(fleet, verb, what, round(1000 * (TODAY + at)), makeOrderNonce()).encode()
    signature: bytes = key.sign(makeOrderData(text))
    return packOrder(text, key.public().blob(), signature)


class FleetTestCase(SynchronousTestCase):
    """
    A host whose door Anna's key opens. Olga gives orders.
    """

    def setUp(self) -> None:
        """Make it."""
        useUTC(self)
        self.log = Log(self)
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.firewall = FakeFirewall(self.makeClock())
        self.config = replace(CONFIG, operators=self.write("operators", publicLine(OLGA, "olga")))
        keys = self.write("keys", publicLine(ANNA, "anna"))
        self.door = makeDoor(authorizedKeys=keys, fleet=True)
        self.daemon = MemoryDaemon(self.clock, [self.firewall], [self.door])
        self.keeper = self.daemon.keeper
        self.keeper.start()
        self.daemon.smith.start()
        self.fleet = self.makeFleet()
        self.fleet.start()
        self.follower = FakeFollower()
        self.fleet.follow(self.follower)

    def makeClock(self) -> Clock:
        """Return the clock."""
        self.clock = Clock()
        return self.clock

    def makeFleet(self) -> Fleet:
        """Return the host's part in the fleet."""
        smith, publisher = self.daemon.smith, self.daemon.publisher
        assert smith.memory is not None
        self.memory = smith.memory
        return Fleet(self.clock, self.keeper, publisher, self.findJudge, smith.memory, self.config)

    def findJudge(self, name: str) -> SealJudge | None:
        """Return the judge of a door."""
        return self.daemon.smith.judgeOf(self.keeper.findLock(name))

    def write(self, name: str, text: str) -> str:
        """Write a file that the daemon trusts; return its path."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def post(self, **fields: Any) -> Outcome:
        """Hand in one line, and return the outcome."""
        (outcome,) = self.successResultOf(self.fleet.take([json.dumps(fields).encode()]))
        self.clock.advance(0)
        return outcome

    def relay(self, datagram: bytes, host: str = GATE, source: str = "") -> Outcome:
        """Hand in a seal."""
        return self.post(host=host, source=source, seal=b64encode(datagram).decode())

    def give(self, data: bytes) -> Outcome:
        """Hand in an order, and have it done."""
        outcome = self.post(order=b64encode(data).decode())
        self.clock.pump([0] * 20)
        return outcome

    def hear(self, datagram: bytes, source: str = ANN) -> None:
        """Hear a knock over UDP."""
        self.keeper.hear(knocks(source, *PORTS, datagram=datagram))

    def open_(self) -> dict[str, float]:
        """Return what is open, and until when."""
        return self.firewall.open_()

    def sent(self, kind: str = "seal") -> list[Any]:
        """Return what the follower got: seals as they were heard, or fields."""
        got = [fields for each, fields in self.follower.got if each == kind]
        return [b64decode(fields["seal"]) for fields in got] if kind == "seal" else got

    def last(self) -> str:
        """Return the last line of the log."""
        return self.log.lines()[-1]
