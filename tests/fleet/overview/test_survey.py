"""Tests of L{pkdoors.fleet.overview.survey} with hosts that write what they like."""

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import EngineError, EngineRefusal
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.overview import survey
from pkdoors.fleet.overview.survey import Survey, readOrders, readPresences, surveyFleet
from pkdoors.fleet.presence import PresenceRecord
from pkdoors.fleet.streams import Streams
from tests.fakes.engine import FakeEngine, FakeStore

HOSTS = ("gate1", "web1")
STREAMS = Streams("prod")
NOW = 1_800_000_000.0


class SurveyTests(SynchronousTestCase):
    """
    Tests of L{surveyFleet} and what it is made of.
    """

    def setUp(self) -> None:
        """Make an engine."""
        self.clock = Clock()
        self.store = FakeStore(self.clock, NOW)

    def report(self, host: str, positions: dict[str, str]) -> None:
        """Let a host report how far it has read."""
        time = datetime.fromtimestamp(NOW, UTC)
        presence = PresenceRecord(time, "26.12", ("ssh",), positions)
        self.store.values[STREAMS.up(host)] = presence.encode(), 1000.0

    def survey(self, engine: IEngine | None = None) -> Survey:
        """Ask for everything."""
        own = NOW + self.clock.seconds()
        work = surveyFleet(engine or self.store.connect(), "prod", HOSTS, own)
        return self.successResultOf(Deferred.fromCoroutine(work))

    def test_reading(self) -> None:
        """What a host has read, and how long the first unread entry waits, is seen."""
        read = self.store.add(STREAMS.log("gate1"), {"s": b"1"})
        self.clock.advance(5)
        self.store.add(STREAMS.log("gate1"), {"s": b"2"})
        self.clock.advance(20)
        self.store.add(STREAMS.log("gate1"), {"s": b"3"})
        self.report("web1", {STREAMS.log("gate1"): read, STREAMS.orders("gate1"): "0"})
        gate, web = self.survey().hosts
        self.assertEqual((None, 0.0, []), (gate.presence, gate.worst(), gate.unread()))
        self.assertEqual((20.0, True), (web.log["gate1"].seconds, web.log["gate1"].isBehind))
        self.assertEqual((20.0, []), (web.worst(), web.unread()))
        self.assertEqual(
            {"gate1": True, "web1": False}, {k: v.isRead for k, v in web.orders.items()}
        )

    def test_hostile(self) -> None:
        """Positions that are not any do no harm, neither here nor in the engine."""
        self.store.add(STREAMS.log("gate1"), {"s": b"1"})
        asked: list[str] = []

        class Engine(FakeEngine):
            async def read(self, stream: str, after: str = "0", most: int = 100) -> Any:
                asked.append(after)
                if len(after) > 40:
                    raise EngineRefusal("ERR Invalid stream ID")
                return await super().read(stream, after, most)

        for position in ("", "x", "-", "5 + STREAMS", "9" * 5000, "1-" + "9" * 50, "-5-7", "²-1"):
            self.report("web1", {STREAMS.log("gate1"): position})
            self.clock.advance(100)
            self.survey(Engine(self.store))
        for after in asked:
            self.assertRegex(after, r"^-?[0-9]+(-[0-9]+)?$")

    def test_many(self) -> None:
        """Of many streams that a host has not read, only some are looked at."""
        self.patch(survey, "MAX_LOOKS", 1)
        self.store.add(STREAMS.log("gate1"), {"s": b"1"})
        self.store.add(STREAMS.orders("gate1"), {"o": b"1"})
        self.clock.advance(30)
        self.report("web1", {STREAMS.log("gate1"): "7-0", STREAMS.orders("gate1"): "5-0"})
        _, web = self.survey().hosts
        self.assertEqual((0.0, 30.0), (web.log["gate1"].seconds, web.orders["gate1"].seconds))

    def test_orders(self) -> None:
        """Orders are read page by page, up to a limit."""
        for number in range(250):
            self.store.add(STREAMS.orders("gate1"), {"o": b"%d" % number})
        work = readOrders(self.store.connect(), STREAMS.orders("gate1"))
        found = self.successResultOf(Deferred.fromCoroutine(work))
        self.assertEqual([b"%d" % n for n in range(250)], [each.fields["o"] for each in found])
        self.patch(survey, "MAX_ORDERS", 150)
        work = readOrders(self.store.connect(), STREAMS.orders("gate1"))
        self.assertEqual(200, len(self.successResultOf(Deferred.fromCoroutine(work))))

    def test_refused(self) -> None:
        """A report that may not be read is a trouble of that host; a lost engine ends it all."""

        class Strict(FakeEngine):
            async def get(self, name: str) -> bytes | None:
                raise EngineRefusal("NOPERM")

        gate, web = self.survey(Strict(self.store)).hosts
        self.assertEqual(("NOPERM", "NOPERM"), (gate.trouble, web.trouble))
        engine = self.store.connect()
        self.store.stop()
        for work in (surveyFleet(engine, "prod", HOSTS, NOW), readPresences(engine, "prod", HOSTS)):
            self.failureResultOf(Deferred.fromCoroutine(work), EngineError)
