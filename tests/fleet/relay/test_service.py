"""Tests of L{pkdoors.fleet.relay.service}, with an engine in memory and daemons that write down."""

import json
from base64 import b64encode
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.errors import ConfigError
from pkdoors.fleet.engine import IEngine, orderOf
from pkdoors.fleet.presence import PresenceRecord, parsePresence
from pkdoors.fleet.relay import _lines, _reader, _reporter, _writer
from pkdoors.fleet.relay._backlog import MOST
from pkdoors.fleet.relay._reader import CALM, LEFT_OUT
from pkdoors.fleet.relay.service import FleetService
from pkdoors.fleet.streams import Streams
from tests.fakes.daemonlink import DOOR, FakeDaemonLink
from tests.fakes.engine import MAX_ANSWER, WAIT, FakeStore
from tests.fakes.log import Log

NAMES = Streams("prod")
SEAL, OTHER = b"pkdoors1 ssh ...", b"pkdoors1 ssh other"


class _Host:
    """
    A host of the fleet.

    @ivar fault: what is wrong with its configuration; empty if nothing is.
    """

    def __init__(self, store: FakeStore, name: str, trust: tuple[str, ...] = ()) -> None:
        self.fleet = FleetConfig("prod", name, ("web1", "web2"), Engine("log"), trust=trust)
        self.fault = ""
        self.link = FakeDaemonLink()
        link: Any = self.link

        async def connect(fleet: FleetConfig) -> IEngine:
            return store.connect()

        self.service = FleetService(
            store.clock, self._read, connect, link, lambda: store.now + store.clock.seconds()
        )

    def _read(self) -> FleetConfig:
        if self.fault:
            raise ConfigError(self.fault)
        return self.fleet

    def hear(self, seal: bytes, source: str = "192.0.2.7", isBound: bool = True) -> None:
        """Let its daemon have heard a seal."""
        text = b64encode(seal).decode()
        self.link.send("/seals", "seal", seal=text, source=source, time=1.5, isBound=isBound)


class ServiceTests(SynchronousTestCase):
    """Tests of what travels."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = FakeStore(self.clock)
        self.one, self.two = _Host(self.store, "web1"), _Host(self.store, "web2")
        self.log = Log(self)

    def start(self, *hosts: _Host) -> None:
        """Start hosts, both if none is named."""
        for host in hosts or (self.one, self.two):
            host.service.startService()
            self.addCleanup(host.service.stopService)
        self.wait(0.1)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pump([0.05] * round(seconds / 0.05))

    def said(self, text: str) -> int:
        """Return how many lines of the log have a text."""
        return sum(text in line for line in self.log.lines())

    def test_seal(self) -> None:
        """
        A seal that one host heard is handed to the daemons of all others, with where it comes from.
        Its own has judged it already.
        """
        self.start()
        self.one.hear(SEAL)
        self.wait(0.1)
        line = {"host": "web1", "source": "192.0.2.7", "seal": b64encode(SEAL).decode()}
        self.assertEqual([line], self.two.link.taken)
        self.wait(60)
        self.assertEqual([line], self.two.link.taken)
        self.assertEqual([], self.one.link.taken)

    def test_ownAgain(self) -> None:
        """A daemon that starts gets what the one before it heard and opened for."""
        self.start()
        self.one.hear(SEAL)
        self.wait(0.1)
        self.store.stop()
        self.one.hear(OTHER)
        self.one.link.stop()
        self.one.link.isAway = False
        self.wait(6)
        self.store.isAway = False
        self.wait(WAIT + 6)
        self.assertEqual([("web1", SEAL), ("web1", OTHER)], self.one.link.seals())

    def test_ownElsewhere(self) -> None:
        """
        A copy of a seal in the stream of another host is handed in like any other, also if it comes
        before the host's own.
        """
        self.start()
        self.store.stop()
        self.one.hear(SEAL)
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.store.isAway = False
        self.wait(2)
        self.assertEqual(1, len(self.store.streams[NAMES.log("web1")]))
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.wait(0.1)
        self.assertEqual([("web2", SEAL)] * 2, self.one.link.seals())

    def test_ownReturnsLate(self) -> None:
        """A bounded number of own seals is remembered; the oldest are handed in again."""
        self.patch(_lines, "MOST", 1)
        self.start()
        self.store.stop()
        for seal in (b"1", b"2", b"3"):
            self.one.hear(seal)
        self.store.isAway = False
        self.wait(10)
        self.assertEqual([("web1", b"1")], self.one.link.seals())

    def test_unbound(self) -> None:
        """An unbound seal stays at its host, unless the others take that host's word for it."""
        self.start()
        self.one.hear(SEAL, isBound=False)
        self.wait(0.1)
        self.assertEqual({}, {n: e for n, e in self.store.streams.items() if ":log:" in n})
        trusted = _Host(self.store, "web1", trust=("web1",))
        self.start(trusted)
        trusted.hear(SEAL, isBound=False)
        self.wait(0.1)
        self.assertEqual([("web1", SEAL)], self.two.link.seals())

    def test_origin(self) -> None:
        """Where a seal comes from is what its stream says, whatever its entry says."""
        self.start(self.two)
        for source in (b"192.0.2.7", b"nonsense\n", b"\xff"):
            entry = {"s": SEAL, "a": source, "host": b"web2", "h": b"web2", "door": b"x"}
            self.store.add(NAMES.log("web1"), entry)
        self.wait(0.1)
        sources = [(line["host"], line["source"]) for line in self.two.link.taken]
        self.assertEqual([("web1", "192.0.2.7"), ("web1", ""), ("web1", "")], sources)

    def test_malformed(self) -> None:
        """What cannot be a seal is not handed on, and holds nothing up."""
        self.start(self.two)
        for fields in ({}, {"s": b""}, {"s": bytes(5000)}, {"x": SEAL}, {"s": SEAL}):
            self.store.add(NAMES.log("web1"), fields)
        self.wait(0.1)
        self.assertEqual([("web1", SEAL)], self.two.link.seals())

    def test_away(self) -> None:
        """
        What is heard while the engine is away is published later, in its order; a bounded number
        waits, and what gives way is counted and reported.
        """
        self.start()
        self.store.stop()
        self.wait(1)
        for number in range(MOST + 3):
            self.one.hear(b"%d" % number)
        self.assertEqual(1, self.said("the oldest are dropped"))
        self.store.isAway = False
        self.wait(30)
        heard = [seal for _, seal in self.two.link.seals()]
        self.assertEqual([b"%d" % number for number in range(3, MOST + 3)], heard)
        value = self.store.values[NAMES.up("web1")][0]
        self.assertEqual(3, parsePresence(value).dropped)
        self.one.hear(SEAL)
        self.assertEqual(1, self.said("3 were"))

    def test_lines(self) -> None:
        """One line says that the engine is away, however long it is, and one that it is back."""
        self.start(self.one)
        self.store.stop()
        self.wait(60)
        self.assertEqual(1, self.said("the engine is away"))
        self.store.isAway = False
        self.wait(10)
        self.assertEqual(1, self.said("the engine answers again"))

    def test_hungUp(self) -> None:
        """A connection that ends and is back at once is no trouble."""
        self.start(self.one)
        self.store.stop()
        self.store.isAway = False
        self.wait(2)
        self.assertEqual(2, self.said("follows 2 hosts"))
        self.assertEqual(0, self.said("again"))

    def test_refusal(self) -> None:
        """An engine that takes nothing in is reported once, and gets everything later."""
        self.start()
        self.store.refusal = "its disk is full"
        self.one.hear(SEAL)
        self.wait(60)
        self.assertEqual(2, self.said("its disk is full"), "one line on each host")
        self.assertEqual([], self.two.link.seals())
        self.store.refusal = ""
        self.wait(10)
        self.assertEqual([("web1", SEAL)], self.two.link.seals())

    def test_wrongConfiguration(self) -> None:
        """A configuration that becomes wrong is reported once, and read again until it is right."""
        self.start(self.one)
        self.one.fault = "fleet.toml is wrong"
        self.successResultOf(self.one.service.reload())
        self.wait(30)
        self.assertEqual(1, self.said("fleet.toml is wrong"))
        self.one.fault = ""
        self.wait(10)
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.wait(0.1)
        self.assertEqual([("web2", SEAL)], self.one.link.seals())

    def test_resume(self) -> None:
        """After a connection was lost, reading goes on where it was."""
        self.start()
        self.one.hear(SEAL)
        self.wait(0.1)
        self.store.stop()
        self.store.isAway = False
        self.store.add(NAMES.log("web1"), {"s": OTHER})
        self.wait(2)
        self.assertEqual([("web1", SEAL), ("web1", OTHER)], self.two.link.seals())

    def test_begunAgain(self) -> None:
        """If the engine has lost its data and its clock is behind, nothing is passed over."""
        self.start()
        self.one.hear(SEAL)
        self.wait(0.1)
        self.store.stop()
        self.store.streams.clear()
        self.store.now -= 600
        self.store.isAway = False
        self.store.add(NAMES.log("web1"), {"s": OTHER})
        self.wait(2)
        self.assertEqual([("web1", SEAL), ("web1", OTHER)], self.two.link.seals())

    def test_begin(self) -> None:
        """A host that starts reads what could still count, and no older entries."""
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        self.clock.advance(100_000)
        self.store.add(NAMES.log("web1"), {"s": OTHER})
        self.clock.advance(600)
        self.start(self.two)
        self.assertEqual([("web1", OTHER)], self.two.link.seals())

    def test_longOpenings(self) -> None:
        """If doors open for days, a host that starts neither trims nor passes over their seals."""
        self.two.link.doors = [DOOR | {"max_open_for": 7 * 86400.0}]
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.clock.advance(2 * 86400)
        self.start(self.two)
        self.two.hear(OTHER)
        self.wait(0.1)
        self.assertEqual({("web2", SEAL), ("web2", OTHER)}, {*self.two.link.seals()})
        self.assertEqual(2, len(self.store.streams[NAMES.log("web2")]))

    def test_daemonUnknown(self) -> None:
        """As long as the daemon has told of no door, everything is kept."""
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.clock.advance(20 * 86400)
        self.two.link.doors = []
        self.start(self.two)
        self.two.hear(OTHER)
        self.wait(0.1)
        self.assertEqual(2, len(self.store.streams[NAMES.log("web2")]))

    def test_daemonAway(self) -> None:
        """While the daemon is away nothing is passed over; a new one gets all that could count."""
        self.start()
        self.one.hear(SEAL)
        self.wait(0.1)
        self.two.link.stop()
        self.one.hear(OTHER)
        self.wait(30)
        self.assertEqual(1, self.said("the daemon is not running"))
        self.two.link.taken.clear()
        self.two.link.isAway = False
        self.wait(WAIT + 6)
        self.assertLessEqual({("web1", SEAL), ("web1", OTHER)}, {*self.two.link.seals()})
        self.assertEqual(1, self.said("the daemon answers again"))

    def _connectSlowly(self, seconds: float) -> int:
        """
        Have a host connect with the engine once more, which takes six seconds, and let some of them
        pass. Return how many lines its daemon got.
        """
        self.start(self.two)
        self.store.add(NAMES.orders("web1"), {"o": b"ban"})
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        self.wait(0.1)
        self.store.stop()
        self.store.isAway, self.store.delay = False, 3.0
        self.wait(seconds)
        return len(self.two.link.taken)

    def test_daemonBeginsMeanwhile(self) -> None:
        """So does one that starts while the host is about to be connected with the engine."""
        for seconds in (1, 4):
            self.setUp()
            before = self._connectSlowly(seconds)
            self.two.link.stop()
            self.two.link.isAway = False
            self.wait(1)
            self.assertEqual(before, len(self.two.link.taken))
            self.wait(2 * WAIT)
            self.assertIn({"order": b64encode(b"ban").decode()}, self.two.link.taken[before:])
            self.assertEqual([("web1", SEAL)] * 2, self.two.link.seals())

    def test_refused(self) -> None:
        """If the daemon refuses some lines again and again, the next ones get their turn."""
        self.start(self.two)
        self.two.link.refusal = "the body is too long"
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        self.wait(5)
        self.assertEqual(0, self.said("too long"))
        self.wait(6)
        self.assertEqual(1, self.said("left out: the body is too long"))
        self.two.link.refusal = ""
        self.store.add(NAMES.log("web1"), {"s": OTHER})
        self.wait(1)
        self.assertEqual([("web1", OTHER)], self.two.link.seals())

    def test_orders(self) -> None:
        """A host that starts hands in all orders before the first seal."""
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        for number in range(250):
            self.store.add(NAMES.orders("web1"), {"o": b"%d" % number})
        self.store.add(NAMES.orders("web2"), {"o": b"mine"})
        self.start(self.two)
        keys = ["order" if "order" in line else "seal" for line in self.two.link.taken]
        self.assertEqual(["order"] * 251 + ["seal"], keys)

    def test_ordersAgain(self) -> None:
        """If the daemon asks for them, it gets all orders again, and no seal."""
        self.store.add(NAMES.orders("web1"), {"o": b"ban"})
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        self.start(self.two)
        self.wait(2 * WAIT)
        before = len(self.two.link.taken)
        self.two.link.send("/seals", "orders")
        self.wait(2 * WAIT)
        again = self.two.link.taken[before:]
        self.assertEqual([{"order": b64encode(b"ban").decode()}], again)

    def test_ordersAgainLater(self) -> None:
        """So it does if the engine is away when it asks."""
        self.store.add(NAMES.orders("web1"), {"o": b"ban"})
        self.start(self.two)
        self.wait(2 * WAIT)
        before = len(self.two.link.taken)
        self.store.stop()
        self.wait(1)
        self.two.link.send("/seals", "orders")
        self.store.isAway = False
        self.wait(2 * WAIT)
        self.assertEqual([{"order": b64encode(b"ban").decode()}], self.two.link.taken[before:])

    def test_ordersAgainSpoilt(self) -> None:
        """It gets no orders from a stream that is left out: nobody can read that."""
        self.start(self.two)
        self.store.add(NAMES.orders("web1"), {"o": bytes(MAX_ANSWER + 1)})
        self.wait(5)
        self.two.link.send("/seals", "orders")
        self.wait(LEFT_OUT + 10)
        self.assertEqual(1, self.said("longer than any"))

    def test_ordersAgainMeanwhile(self) -> None:
        """So it does if the host is about to be connected with the engine."""
        for seconds in (1, 4):
            self.setUp()
            before = self._connectSlowly(seconds)
            self.two.link.send("/seals", "orders")
            self.wait(2 * WAIT)
            self.assertIn({"order": b64encode(b"ban").decode()}, self.two.link.taken[before:])

    def test_orderWithSeal(self) -> None:
        """Of what comes at the same time, orders are first."""
        self.start(self.two)
        self.two.link.isAway = True
        self.store.add(NAMES.log("web1"), {"s": b"first"})
        self.store.add(NAMES.log("web1"), {"s": SEAL})
        self.store.add(NAMES.orders("web1"), {"o": b"close"})
        self.two.link.isAway = False
        self.wait(2)
        orders = [number for number, line in enumerate(self.two.link.taken) if "order" in line]
        seals = [seal for _, seal in self.two.link.seals()]
        self.assertEqual((b"first", SEAL), (seals[0], seals[-1]))
        self.assertLess(orders[0], len(self.two.link.taken) - 1)

    def test_manyLines(self) -> None:
        """However short the entries of a hostile host, the daemon takes each request."""
        self.patch(_reader, "MAX_LINES", 30)
        for _ in range(90):
            self.store.add(NAMES.log("web1"), {"s": b"?"})
        self.start(self.two)
        self.wait(1)
        self.assertEqual((90, 30), (len(self.two.link.taken), self.two.link.most))

    def test_tooMuch(self) -> None:
        """
        A host that writes an entry which no other can read keeps nobody from reading the rest; its
        stream is left out for a while.
        """
        self.start()
        self.store.add(NAMES.log("web1"), {"s": b"before"})
        for _ in range(2):
            self.store.add(NAMES.log("web1"), {"s": bytes(MAX_ANSWER + 1)})
        self.two.hear(SEAL)
        self.store.add(NAMES.orders("web2"), {"o": b"close"})
        self.wait(5)
        self.assertIn(("web1", b"before"), self.two.link.seals())
        self.assertIn(("web2", SEAL), self.one.link.seals())
        for host in (self.one, self.two):
            self.assertIn({"order": b64encode(b"close").decode()}, host.link.taken)
        self.assertEqual(2, self.said("longer than any"), "one line on each host")
        self.two.hear(OTHER)
        self.one.hear(b"left out")
        self.wait(5)
        self.assertIn(("web2", OTHER), self.one.link.seals())
        self.assertNotIn(("web1", b"left out"), self.two.link.seals())
        self.wait(LEFT_OUT)
        self.assertIn(("web1", b"left out"), self.two.link.seals())

    def test_noStream(self) -> None:
        """
        A host that puts something else in place of its streams keeps nobody from reading those of
        the others.
        """
        self.start()
        self.store.spoilt |= {NAMES.log("web1"), NAMES.orders("web1")}
        self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.wait(10)
        self.store.add(NAMES.log("web2"), {"s": OTHER})
        self.wait(1)
        for host in (self.one, self.two):
            self.assertIn(("web2", SEAL), host.link.seals())
            self.assertIn(("web2", OTHER), host.link.seals())
        self.assertEqual(4, self.said("is not a stream"), "one line for each on each host")
        self.one.hear(b"late")
        self.store.spoilt.clear()
        self.wait(LEFT_OUT)
        self.assertIn(("web1", b"late"), self.two.link.seals())

    def test_claims(self) -> None:
        """One host wins a claim; without the engine nobody can tell."""
        self.start()
        for host in (self.one, self.two):
            host.link.send("/seals", "claim", id=7, name="abc", milliseconds=120_000)
        self.wait(0.1)
        self.assertEqual([{"claim": 7, "won": True}], self.one.link.taken)
        self.assertEqual([{"claim": 7, "won": False}], self.two.link.taken)
        self.store.stop()
        self.wait(0.5)
        self.one.link.send("/seals", "claim", id=8, name="def", milliseconds=120_000)
        self.wait(0.1)
        self.assertEqual({"claim": 8, "won": None}, self.one.link.taken[-1])
        self.store.isAway = False
        self.wait(10)
        self.two.link.send("/seals", "claim", id=9, name="def", milliseconds=120_000)
        self.wait(0.1)
        self.assertEqual({"claim": 9, "won": False}, self.two.link.taken[-1], "it claims late")

    def test_events(self) -> None:
        """The events of the daemon go to this host's stream."""
        self.start(self.one)
        self.one.link.send("/events", "opened", event="opened", door="ssh", source="192.0.2.7")
        self.wait(0.1)
        (entry,) = self.store.streams[NAMES.events("web1")]
        wanted = {"event": "opened", "door": "ssh", "source": "192.0.2.7"}
        self.assertEqual(wanted, json.loads(entry.fields["e"]))

    def test_eventsGo(self) -> None:
        """The oldest events go if there are too many."""
        self.patch(_writer, "MAX_EVENTS", 3)
        self.start(self.one)
        for number in range(5):
            self.one.link.send("/events", "opened", number=number)
        self.wait(0.1)
        left = [
            json.loads(e.fields["e"])["number"] for e in self.store.streams[NAMES.events("web1")]
        ]
        self.assertEqual([2, 3, 4], left)

    def test_report(self) -> None:
        """
        A host reports its fleet doors and what is open there, and how far it has read: every ten
        seconds, and two seconds after a change.
        """
        opening = {
            "door": "ssh",
            "source": "192.0.2.7",
            "ports": ["22/tcp"],
            "open": True,
            "until": "2027-01-15T08:00:30Z",
            "seconds_left": 30.0,
            "user": "anna",
            "key": "SHA256:x",
            "trouble": "",
        }
        other = {**DOOR, "name": "own", "fleet": False, "openings": 1}
        self.one.link.doors = [{**DOOR, "openings": 1, "max_open_for": 7200.0}, other]
        self.one.link.openings = [opening, {**opening, "door": "own"}]
        self.start(self.one)
        found = parsePresence(self.store.values[NAMES.up("web1")][0])
        self.assertEqual((("ssh",), 1), (found.doors, found.total))
        self.assertEqual(["ssh"], [each.door for each in found.openings])
        end = self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.wait(0.1)
        self.one.link.send("/events", "opened", event="opened")
        self.wait(2)
        found = parsePresence(self.store.values[NAMES.up("web1")][0])
        self.assertEqual(orderOf(end), orderOf(found.positions[NAMES.log("web2")]))
        self.assertEqual(
            {"opened": 1}, {k: n for k, n in found.counts.items() if n and k != "handed"}
        )
        self.wait(60)
        self.assertIn(NAMES.up("web1"), self.store.values)
        self.assertGreater(self.store.values[NAMES.up("web1")][1], self.clock.seconds() + 19)

    def read_(self) -> PresenceRecord:
        """Return what the first host reports."""
        return parsePresence(self.store.values[NAMES.up("web1")][0])

    def test_reportIsShort(self) -> None:
        """
        A report names the streams that have been in use lately. All others are read up to one
        moment; in a fleet of a thousand hosts it still takes few bytes.
        """
        hosts = tuple(f"web{number}" for number in range(1, 1001))
        self.one.fleet = FleetConfig("prod", "web1", hosts, Engine("log"))
        old = self.store.add(NAMES.log("web7"), {"s": SEAL})
        self.clock.advance(600)
        self.start(self.one)
        new = self.store.add(NAMES.orders("web9"), {"o": b"close"})
        self.wait(16)
        found = self.read_()
        self.assertEqual({NAMES.orders("web9"): new}, found.positions)
        end = found.findPosition(NAMES.log("web7"), "web7")
        self.assertLess(orderOf(old), orderOf(end or ""))
        self.assertLessEqual(orderOf(found.readTo)[0], 1000 * (found.time.timestamp() - CALM))
        self.assertLess(len(found.encode()), 15_000)
        self.wait(60)
        found = self.read_()
        self.assertEqual({}, found.positions)
        self.assertLess(orderOf(new), orderOf(found.readTo))

    def test_reportOfUnread(self) -> None:
        """What the daemon has not taken is not reported as read."""
        self.start(self.one)
        self.wait(60)
        self.one.link.isAway = True
        new = self.store.add(NAMES.log("web2"), {"s": SEAL})
        self.wait(60)
        found = self.read_()
        end = found.findPosition(NAMES.log("web2"), "web2")
        self.assertLess(orderOf(end or ""), orderOf(new))

    def test_reportOfRewound(self) -> None:
        """What a daemon that starts has not taken again is not reported as read."""
        self.start(self.one)
        seal = self.store.add(NAMES.log("web2"), {"s": SEAL})
        order = self.store.add(NAMES.orders("web2"), {"o": b"close"})
        self.wait(60)
        self.one.link.stop()
        self.one.link.isAway, self.one.link.refusal = False, "busy"
        for seconds in (1, 4):  # before the last question has its answer, and after that
            self.wait(seconds)
            self.one.link.send("/events", "opened", event="opened")
            self.wait(2.5)
            found = self.read_()
            for stream, end in ((NAMES.log("web2"), seal), (NAMES.orders("web2"), order)):
                self.assertLess(orderOf(found.findPosition(stream, "web2") or ""), orderOf(end))

    def test_longReports(self) -> None:
        """After a long report, the next one comes later: but not so late that it is forgotten."""
        self.patch(_reporter, "PACE", 10)
        self.start(self.one)
        first = self.read_().time
        for _ in range(60):
            self.one.link.send("/events", "opened", event="opened")
            self.wait(0.2)
        self.assertEqual(first, self.read_().time)
        self.wait(5)
        self.assertNotEqual(first, self.read_().time)

    def test_reportOfOrder(self) -> None:
        """An order is reported soon, also if it closes nothing: its operator waits for that."""
        self.start(self.one)
        self.wait(3)
        first = self.read_().time
        self.one.link.send("/events", "ordered", event="ordered")
        self.wait(2.5)
        self.assertNotEqual(first, self.read_().time)

    def test_stop(self) -> None:
        """After the end, nothing waits and nothing is written."""
        self.start()
        for host in (self.one, self.two):
            self.successResultOf(host.service.stopService())
        self.assertEqual([], self.store.engines)
        self.wait(20)
        self.assertEqual([], self.clock.getDelayedCalls())
