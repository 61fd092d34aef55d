"""Tests of L{pkdoors.doctor.facts}."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doctor.check import checkHost
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import ERROR, OK, Finding
from pkdoors.doctor.sources import Sources
from pkdoors.errors import FirewallError
from pkdoors.model.ports import PortRange
from tests.doctor.case import SEQUENCE, WELL, FakeProc, giving
from tests.fakes.doors import makeDoor

SSH = PortRange("tcp", 22, 22)


class FactsTests(SynchronousTestCase):
    """
    Tests of L{Facts}.
    """

    def judgeTwoPlaces(self, file: int, folder: int) -> list[str]:
        """Return the levels of what is found about a file and a folder with so many keys."""
        counts = {"/etc/keys": file, "/etc/keys.d": folder}
        known = {name: giving(fact) for name, fact in WELL.items()}
        known["keys"] = lambda path, doors: (counts[path], [], [])
        door = makeDoor(authorizedKeys=tuple(counts))
        findings = checkHost(Facts(Config((door,)), Sources(FakeProc(), **known)))
        return [finding.level for finding in findings if finding.subject == "keys"]

    def test_emptyBesideOthers(self) -> None:
        """A folder without keys keeps nobody out if its doors have other keys."""
        self.assertEqual([OK, OK], self.judgeTwoPlaces(2, 0))
        self.assertEqual([OK, OK], self.judgeTwoPlaces(0, 2))
        self.assertEqual([ERROR, ERROR], self.judgeTwoPlaces(0, 0))

    def setUp(self) -> None:
        """Count how often each source is read."""
        self.reads: Counter[str] = Counter()

    def make(self, **facts: Any) -> Facts:
        """Return the facts of a host that has no faults but these."""
        known = {name: self.count(name, fact) for name, fact in {**WELL, **facts}.items()}
        config = Config((makeDoor(SEQUENCE, "22"),))
        return Facts(config, Sources(FakeProc(), **known), "/a/file")

    def count(self, name: str, result: Any) -> Callable[..., Any]:
        """Return a source that counts its calls."""

        def read(*arguments: object) -> Any:
            self.reads[name] += 1
            if isinstance(result, Exception):
                raise result
            return result

        return read

    def test_onDemand(self) -> None:
        """Nothing is read before somebody asks, and then only what the answer needs."""
        facts = self.make()
        self.assertEqual(Counter(), self.reads)
        self.assertEqual({SSH: True}, facts.isGuarded)
        self.assertEqual(Counter({"tables": 1}), self.reads)

    def test_once(self) -> None:
        """A whole check reads each source once."""
        list(checkHost(self.make()))
        self.assertEqual({1}, set(self.reads.values()), self.reads)
        self.assertIn("tables", self.reads)

    def test_failure(self) -> None:
        """A source that fails is read once, too; its fact is unknown, and the failure new once."""
        facts = self.make(tables=FirewallError("it is broken: mend it"))
        for _ in range(2):
            self.assertIsNone(facts.tables)
            self.assertEqual({}, facts.isGuarded)
            self.assertEqual([], facts.unguarded)
        self.assertEqual(1, self.reads["tables"])
        self.assertEqual(
            [Finding(ERROR, "nftables", "it is broken", "mend it")], facts.newFailures()
        )
        self.assertEqual([], facts.newFailures())

    def test_anyOrder(self) -> None:
        """The order in which facts are read does not change them."""
        names = ("zones", "unguarded", "deaf", "isOwned", "listening", "troubles", "daemon")
        expected = {name: getattr(self.make(), name) for name in names}
        for order in (names, names[::-1]):
            facts = self.make()
            self.assertEqual(expected, {name: getattr(facts, name) for name in order})
