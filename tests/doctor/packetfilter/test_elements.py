"""Tests of L{pkdoors.doctor.packetfilter._elements}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor.packetfilter._elements import Elements

MANY = [*range(100, 1000, 10), {"range": [2000, 2999]}, {"range": [1000, 1005]}]
ODD: list[Any] = [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"concat": ["tcp", 5]}, "*"]


class ElementsTests(SynchronousTestCase):
    """
    Tests of L{Elements.near}.
    """

    def near(self, *values: object) -> list[Any]:
        """Return the items that may equal one of these values, of many items."""
        return list(Elements([*MANY, *ODD]).near(values))

    def test_plain(self) -> None:
        """A value that is there is found, and no other."""
        self.assertEqual([110, *ODD], self.near(110))
        self.assertEqual(ODD, self.near(111))
        self.assertEqual([110, 120, *ODD], self.near(110, 120))
        self.assertEqual(ODD, self.near("ssh"))

    def test_range(self) -> None:
        """The range that a number may be in is found, anywhere in the list."""
        self.assertIn({"range": [1000, 1005]}, self.near(1005))
        self.assertIn({"range": [2000, 2999]}, self.near(2000))
        self.assertEqual(ODD, self.near(999))

    def test_addresses(self) -> None:
        """A range of addresses may always match."""
        odd = {"range": ["10.0.0.1", "10.0.0.9"]}
        self.assertEqual([110, odd], list(Elements([*MANY, odd]).near([110])))
        self.assertIn(odd, Elements([*MANY, odd]).near(["10.0.0.5"]))

    def test_unknown(self) -> None:
        """An unknown value may equal any item."""
        self.assertEqual([*MANY, *ODD], list(Elements([*MANY, *ODD]).near(None)))

    def test_pairs(self) -> None:
        """The pairs of a map are found by their keys."""
        pairs = [[key, {"accept": None}] for key in (*MANY, *ODD)]
        found = list(Elements(pairs).near([110]))
        self.assertEqual([110, *ODD], [key for key, _ in found])
        self.assertIn([{"range": [2000, 2999]}, {"accept": None}], Elements(pairs).near([2500]))
