"""Tests of L{pkdoors.commands.fleet.doctor}, and of the fleet in C{pkdoors check}."""

import json

from pkdoors.commands.fleet import doctor
from pkdoors.errors import EngineRefusal
from pkdoors.fleet.engine import IEngine
from tests.commands.fleet.fleetcase import NOW, FleetCommandTestCase
from tests.fakes.engine import FakeEngine


class StrictEngine(FakeEngine):
    """An engine with an ACL."""

    async def get(self, name: str) -> bytes | None:
        """Refuse what does not belong to the fleet."""
        if not name.startswith("pk:prod:"):
            raise EngineRefusal("NOPERM")
        return await super().get(name)

    async def put(self, name: str, value: bytes, seconds: int) -> None:
        """Refuse what does not belong to this host."""
        if not name.endswith(":gate1"):
            raise EngineRefusal("NOPERM")
        await super().put(name, value, seconds)


class DoctorTests(FleetCommandTestCase):
    """C{pkdoors fleet doctor}."""

    def setUp(self) -> None:
        """Have hosts that are up."""
        super().setUp()
        self.patch(doctor, "openEngine", self.open)
        self.patch(doctor, "time", lambda: NOW + self.reactor.seconds())
        for host in ("gate1", "gate2", "web1"):
            self.report(host)

    async def open(self, reactor: object, fleet: object, asNobody: bool = False) -> IEngine:
        """Connect to an engine with an ACL."""
        await super().open(reactor, fleet, asNobody)
        return StrictEngine(self.store)

    def test_good(self) -> None:
        """If all is well, every line says OK, and nothing is left behind in the engine."""
        before = {**self.store.values}
        text = self.says("doctor")
        self.assertEqual({"OK"}, {line.split()[0] for line in text.splitlines()}, text)
        self.assertEqual("", self.says("doctor", "--quiet"))
        self.assertEqual(before, self.store.values)

    def test_bad(self) -> None:
        """Otherwise the exit status says how bad it is, and each fault has a remedy."""
        self.store.values.pop("pk:prod:up:web1")
        end = self.fleet("doctor", "--quiet", "--json")
        (finding,) = json.loads(end.stdout)
        self.assertEqual(
            (1, "WARNING", "fleet"), (end.status, finding["level"], finding["subject"])
        )
        self.assertTrue(finding["remedy"])
        self.store.isAway = True
        end = self.fleet("doctor", "--quiet")
        self.assertEqual(2, end.status)
        self.assertIn("ERROR    engine  the engine is away\n", end.stdout)

    def test_wrongFile(self) -> None:
        """A configuration that is wrong is one line."""
        self.write(trust='["web9"]')
        self.assertIn("trust: 'web9' is not one of the hosts", self.fails("doctor"))

    def test_brokenConf(self) -> None:
        """The daemon's own file may be broken: C{pkdoors check} says that."""
        self.conf.write_text("nonsense")
        self.assertIn("OK", self.says("doctor"))
