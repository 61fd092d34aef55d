"""Tests of L{pkdoors.doctor.fleet}: each fault has its finding, and a remedy."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.doctor.findings import OK, Finding
from pkdoors.doctor.fleet.asking import askEngine
from pkdoors.doctor.fleet.facts import EngineFacts, FleetFacts
from pkdoors.doctor.fleet.gathering import gatherFleet
from pkdoors.doctor.fleet.judging import judgeFleet
from pkdoors.errors import BadValue, EngineError, EngineRefusal
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.overview.orderlist import ShownOrder
from pkdoors.fleet.overview.survey import HostReport, Reading, Survey
from pkdoors.fleet.presence import PresenceRecord
from pkdoors.knocks.order import Order
from tests.fakes.engine import FakeEngine, FakeStore

NOW = 1_800_000_000.0
HOSTS = ("gate1", "web1", "web2")
FLEET = FleetConfig(
    "prod", "gate1", HOSTS, Engine("redis.example"), operators="/etc/pkdoors/operators"
)
ABOUT = {"redis_version": "7.0.15", "aof_enabled": "1", "role": "master", "maxmemory": "0"}
KEY = "SHA256:" + "k" * 42 + "A"


def makePresence(**more: Any) -> PresenceRecord:
    """Return what a host says about itself if all is well."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(NOW, UTC),
        "version": "26.12",
        "doors": ("ssh",),
        "hosts": HOSTS,
    }
    return PresenceRecord(**{**fields, **more})


def makeReport(host: str, *unread: str, **more: Any) -> HostReport:
    """Return a host."""
    read = {other: Reading(other not in unread) for other in HOSTS if other != host}
    return HostReport(host, makePresence(**more), log=read)


def makeFacts(
    *reports: HostReport, about: Mapping[str, str] = ABOUT, own: float = NOW, **more: Any
) -> FleetFacts:
    """Return the facts of a fleet in which all is well, but for what is given."""
    changed = {report.name: report for report in reports}
    hosts = [changed.get(host, makeReport(host)) for host in HOSTS]
    survey = Survey(NOW, own, about, hosts, {})
    engine = more.pop("engine", EngineFacts(survey=survey))
    fields: dict[str, Any] = {"doors": ("ssh",), "operators": 1, "isServiceOn": True, **more}
    return FleetFacts(fields.pop("fleet", FLEET), "/etc/pkdoors/fleet.toml", engine, **fields)


class JudgeTests(SynchronousTestCase):
    """
    Tests of L{judgeFleet}.
    """

    def only(self, facts: FleetFacts) -> Finding:
        """Return the only finding that is not good."""
        found = [finding for finding in judgeFleet(facts) if finding.level != OK]
        self.assertEqual(1, len(found), found)
        self.assertTrue(found[0].remedy)
        return found[0]

    def check(self, facts: FleetFacts, level: str, subject: str, part: str) -> None:
        """Check the only finding."""
        finding = self.only(facts)
        self.assertEqual((level, subject), (finding.level, finding.subject), finding)
        self.assertIn(part, finding.text)

    def test_good(self) -> None:
        """If all is well, nothing else is found."""
        self.assertEqual({OK}, {finding.level for finding in judgeFleet(makeFacts())})

    def test_engineAway(self) -> None:
        """An engine that is away is one error, and the fleet's process may be another."""
        away = EngineFacts(trouble="the engine at x: it refuses the connection: does it run?")
        self.check(makeFacts(engine=away), "ERROR", "engine", "the engine at x: it refuses the con")
        self.assertEqual("does it run?", self.only(makeFacts(engine=away)).remedy)
        other = EngineFacts(trouble="cannot read /etc/pw: run this as root")
        self.check(makeFacts(engine=other), "ERROR", "engine", "cannot read /etc/pw")
        self.assertEqual("run this as root", self.only(makeFacts(engine=other)).remedy)
        brief = EngineFacts(trouble="the engine at x: it hung up")
        self.assertIn("log", self.only(makeFacts(engine=brief)).remedy)
        found = [each for each in judgeFleet(makeFacts(engine=away, isServiceOn=False))]
        self.assertEqual("fleet process", found[-1].subject)
        self.check(makeFacts(engine=away, isServiceOn=None), "ERROR", "engine", "the engine at x")

    def test_noTLS(self) -> None:
        """Without TLS, everybody on the way can read; on the same host nobody is on the way."""
        for host, isWorse in (("redis.example", True), ("192.0.2.1", True), ("127.0.0.1", False)):
            fleet = replace(FLEET, engine=Engine(host, isTls=False))
            if isWorse:
                self.check(makeFacts(fleet=fleet), "WARNING", "engine", "there is no TLS")
            else:
                self.assertEqual({OK}, {each.level for each in judgeFleet(makeFacts(fleet=fleet))})

    def test_noACL(self) -> None:
        """Whoever may do more than a host must is found."""
        survey = makeFacts().engine.survey
        for found, level, part in (
            (EngineFacts("", survey, True, True), "WARNING", "may write for other hosts"),
            (EngineFacts("", survey, True), "WARNING", "may read more than the fleet's"),
            (EngineFacts("", survey, isOpenToAll=True), "ERROR", "it answers everybody who"),
        ):
            facts = makeFacts(engine=found)
            self.check(facts, level, "engine", part)
            self.assertIn("`pkdoors fleet init` prints", self.only(facts).remedy)

    def test_engine(self) -> None:
        """An engine that forgets, cannot write, is full or is a replica is found."""
        for about, level, part in (
            ({"aof_enabled": "0"}, "WARNING", "it keeps nothing when it ends"),
            ({"aof_last_write_status": "err"}, "ERROR", "could not write its append-only file"),
            ({"aof_last_bgrewrite_status": "err"}, "ERROR", "could not write"),
            ({"role": "slave"}, "ERROR", "it is a replica"),
            ({"loading": "1"}, "WARNING", "still reading"),
            ({"maxmemory": "100", "used_memory": "95"}, "WARNING", "its memory is 95 % full"),
            (
                {"maxmemory": "100", "used_memory": "5", "maxmemory_policy": "allkeys-lru"},
                "WARNING",
                "(allkeys-lru)",
            ),
        ):
            self.check(makeFacts(about={**ABOUT, **about}), level, "engine", part)

    def test_process(self) -> None:
        """The fleet's process of this host may be off, unable to report, or in trouble."""
        down = HostReport("gate1")
        self.check(makeFacts(down, isServiceOn=False), "ERROR", "fleet process", "does not run")
        self.check(makeFacts(down), "ERROR", "fleet process", "has not reported to the engine")
        bare = makeFacts(down, isServiceOn=None)
        self.check(bare, "ERROR", "fleet process", "does not run")
        self.assertEqual("start `pkdoors fleet daemon`", self.only(bare).remedy)
        ill = makeReport("gate1", troubles=("the daemon is away: start it",))
        self.check(makeFacts(ill), "ERROR", "fleet process", "the daemon is away")
        self.assertEqual("start it", self.only(makeFacts(ill)).remedy)

    def test_hosts(self) -> None:
        """Another host may be down, unreadable, in trouble, behind, or have lost knocks."""
        slow = replace(makeReport("web1"), orders={"gate1": Reading(True, 100.0)})
        for report, level, part in (
            (HostReport("web1"), "WARNING", "web1 has not reported for 30s"),
            (HostReport("web1", None, "nonsense: look"), "WARNING", "web1: nonsense"),
            (makeReport("web1", troubles=("disk full",)), "WARNING", "web1: disk full"),
            (slow, "WARNING", "web1 is 1m40s behind"),
            (makeReport("web1", dropped=2), "INFO", "web1 could not pass on 2 knocks"),
            (makeReport("web1", version="26.11"), "INFO", "versions of pkdoors: 26.11, 26.12"),
            (makeReport("web1", doors=("db",)), "INFO", "web1 has no fleet door ssh"),
        ):
            self.check(makeFacts(report), level, "fleet", part)

    def test_reading(self) -> None:
        """Streams that one host, or nobody, reads are found, and hosts that are unknown here."""
        self.check(
            makeFacts(makeReport("web1", "gate1")),
            "WARNING",
            "fleet",
            "web1 does not read the streams of gate1: knocks at gate1 open nothing on web1",
        )
        nobody = makeReport("web1", "gate1"), makeReport("web2", "gate1")
        self.check(makeFacts(*nobody), "WARNING", "fleet", "nobody reads the stream of gate1")
        stranger = makeReport("web1", hosts=(*HOSTS, "web3"))
        self.check(makeFacts(stranger), "WARNING", "fleet", "the streams of web3")

    def test_clocks(self) -> None:
        """Clocks that differ are found: this host's to the second, others' at least."""
        self.check(
            makeFacts(own=NOW + 10), "WARNING", "clocks", "the clock of gate1 is 10s or more"
        )
        self.check(makeFacts(own=NOW - 40), "ERROR", "clocks", "behind the engine's")
        for seconds, level in ((8, "WARNING"), (40, "ERROR"), (-40, "WARNING"), (-200, "ERROR")):
            time = datetime.fromtimestamp(NOW + seconds, UTC)
            self.check(makeFacts(makeReport("web1", time=time)), level, "clocks", "of web1 is ")
        for seconds in (4, -30):
            time = datetime.fromtimestamp(NOW + seconds, UTC)
            facts = makeFacts(makeReport("web1", time=time))
            self.assertEqual({OK}, {finding.level for finding in judgeFleet(facts)})

    def test_operators(self) -> None:
        """Without operators nobody can give orders."""
        none = makeFacts(fleet=replace(FLEET, operators=""), operators=0)
        self.check(none, "WARNING", "operators", "nobody can give orders")
        self.check(makeFacts(operators=0), "WARNING", "operators", "has no key")
        bad = makeFacts(operators=1, complaints=["line 3: it is not a key: remove it"])
        self.check(bad, "WARNING", "operators", "line 3")

    def test_trust(self) -> None:
        """Trust in another host is worth knowing; in this host it is nothing."""
        for trust, levels in ((("web1",), {OK, "INFO"}), (("gate1",), {OK})):
            facts = makeFacts(fleet=replace(FLEET, trust=trust))
            self.assertEqual(levels, {finding.level for finding in judgeFleet(facts)})

    def test_orders(self) -> None:
        """Orders that are refused are found, and bans are worth knowing."""
        order = Order("prod", "ban", KEY, int(NOW * 1000), "0" * 16)
        forged = ShownOrder(order, ("web1",), fault="no operator of the fleet has signed it")
        self.check(
            makeFacts(orders=[forged]), "WARNING", "orders", "1 order in the streams of web1"
        )
        good = ShownOrder(order, ("web1",), isInForce=True)
        self.check(makeFacts(orders=[good]), "INFO", "orders", f"{KEY} is banned since ")


class OpenEngine(FakeEngine):
    """An engine that refuses some reading, or some writing."""

    reads = writes = True

    async def get(self, name: str) -> bytes | None:
        """Refuse."""
        if not self.reads and not name.startswith("pk:"):
            raise EngineRefusal("NOPERM")
        return await super().get(name)

    async def put(self, name: str, value: bytes, seconds: int) -> None:
        """Refuse."""
        if not self.writes:
            raise EngineRefusal("NOPERM")
        await super().put(name, value, seconds)


class AskTests(SynchronousTestCase):
    """
    Tests of L{askEngine} and L{gatherFleet}.
    """

    def ask(self, reads: bool, writes: bool, isOpen: bool) -> EngineFacts:
        """Ask an engine with some rights."""
        self.store = FakeStore(Clock())

        async def connect(asNobody: bool) -> IEngine:
            if asNobody and not isOpen:
                raise EngineError("NOAUTH")
            engine = OpenEngine(self.store)
            engine.reads, engine.writes = reads, writes
            return engine

        return self.successResultOf(Deferred.fromCoroutine(askEngine(FLEET, connect, NOW)))

    def test_rights(self) -> None:
        """What may be done is found out by trying, and nothing stays of it."""
        for rights in ((True, True, True), (True, False, False), (False, False, False)):
            facts = self.ask(*rights)
            self.assertEqual(rights, (facts.canReadAll, facts.canWriteAll, facts.isOpenToAll))
            self.assertIsNotNone(facts.survey)
            for _, end in self.store.values.values():
                self.assertEqual(1.0, end)
            self.assertEqual({}, self.store.streams)

    def test_away(self) -> None:
        """An engine that cannot be reached, or goes away meanwhile, is a fact, too."""

        async def refuse(asNobody: bool) -> IEngine:
            raise EngineError("the engine is away")

        async def break_(asNobody: bool) -> IEngine:
            engine = FakeEngine(FakeStore(Clock()))
            engine.break_("it went away")
            return engine

        for connect, trouble in ((refuse, "the engine is away"), (break_, "it went away")):
            asked = Deferred.fromCoroutine(askEngine(FLEET, connect, NOW))
            self.assertEqual(trouble, self.successResultOf(asked).trouble)

    def test_gather(self) -> None:
        """A file of operators that cannot be read is a complaint."""

        def fail(path: str) -> Any:
            raise BadValue(f"cannot read {path}")

        facts = gatherFleet(FLEET, "f", EngineFacts("away"), (), fail, lambda: True)
        self.assertEqual(["cannot read /etc/pkdoors/operators"], facts.complaints)
        self.assertEqual((0, True, 0.0), (facts.operators, facts.isServiceOn, facts.clockSkew))
