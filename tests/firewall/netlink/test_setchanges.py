"""Tests of L{pkdoors.firewall.netlink.setchanges}; real tests ask the kernel."""

from ipaddress import ip_address

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.netlink.kernel import GuardGone
from pkdoors.firewall.netlink.messages import Element
from pkdoors.firewall.netlink.setchanges import changeElements, changeSets, splitRange
from tests.fakes.kernel import FakeKernel
from tests.fakes.tables import FakeTables

ANN, EVE = (ip_address(text).packed for text in ("203.0.113.9", "203.0.113.66"))


def span(first: int, last: int, chain: str = "") -> Element:
    """Return a range of ports."""
    return Element(first.to_bytes(2) + last.to_bytes(2), chain=chain)


class SetChangesTests(SynchronousTestCase):
    """
    Tests of batches about several sets.
    """

    def setUp(self) -> None:
        """Make a table with some sets."""
        self.tables = FakeTables(Clock())
        self.tables.run(
            "add table inet t\n"
            "add chain inet t door\n"
            "add set inet t one { type ipv4_addr; flags timeout; }\n"
            "add set inet t other { type ipv4_addr; flags timeout; }\n"
            "add set inet t ranges { type inet_service; flags interval; }\n"
            "add map inet t spans { type inet_service : verdict; flags interval; }\n"
        )
        self.kernel = FakeKernel(self.tables)
        self.tables.steps.clear()

    def test_several(self) -> None:
        """Elements come to several sets, and go from others, in one transaction."""
        both = {"one": [Element(ANN, 30_000)], "other": [Element(ANN, 5000)]}
        self.kernel.transact(changeSets("t", {}, both))
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("one", "t"))
        self.kernel.transact(changeSets("t", {"other": [ANN, EVE]}, {"one": [Element(EVE, 7000)]}))
        self.assertEqual({}, self.tables.sources("other", "t"))
        expected = {"203.0.113.9": 30.0, "203.0.113.66": 7.0}
        self.assertEqual(expected, self.tables.sources("one", "t"))
        self.assertEqual(2, len(self.tables.steps))

    def test_certain(self) -> None:
        """If a key is missing that must be there, nothing happens."""
        batch = changeSets("t", {}, {"one": [Element(ANN, 30_000)]}, certain={"other": [ANN]})
        self.assertRaises(GuardGone, self.kernel.transact, batch)
        self.assertEqual({}, self.tables.sources("one", "t"))
        self.tables.put("other", ANN, 1000, "t")
        self.kernel.transact(batch)
        self.assertEqual({}, self.tables.sources("other", "t"))
        self.assertEqual({"203.0.113.9": 30.0}, self.tables.sources("one", "t"))

    def test_ranges(self) -> None:
        """A range is two elements, unless it has the last port; the first one is its beginning."""
        start, end = splitRange(span(22, 30))
        self.assertEqual(((22).to_bytes(2), False), (start.key, start.isEnd))
        self.assertEqual(((31).to_bytes(2), True), (end.key, end.isEnd))
        (only,) = splitRange(span(22, 65535))
        self.assertEqual((22).to_bytes(2), only.key)

    def test_adjacent(self) -> None:
        """Ranges that touch stay apart, and each can go alone."""
        parts = [part for each in (span(20, 29), span(30, 65535)) for part in splitRange(each)]
        self.kernel.transact(changeElements("t", "ranges", [], parts))
        there = self.tables.tables["t"].sets["ranges"].elements
        self.assertEqual({span(20, 29).key, span(30, 65535).key}, {*there})
        self.kernel.transact(changeElements("t", "ranges", splitRange(span(20, 29)), []))
        self.assertEqual({span(30, 65535).key}, {*self.tables.tables["t"].sets["ranges"].elements})

    def test_verdicts(self) -> None:
        """In a map, the beginning of a range has the chain."""
        self.kernel.transact(changeElements("t", "spans", [], splitRange(span(20, 29, "door"))))
        (entry,) = self.tables.tables["t"].sets["spans"].elements.values()
        self.assertEqual("jump door", entry.data)
