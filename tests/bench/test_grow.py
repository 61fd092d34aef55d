"""Tests of L{bench.grow}: what it takes for a curve, and what it makes of its rows."""

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.grow._curve import Curve, findCurve, formatTable, listCurves
from pkdoors.config.parser import parseConfig
from tests.lab.manydoors import KINDS, listSequences, nameDoor, writeDoors


def makeCurve(*rows: dict[str, float]) -> Curve:
    """Return a curve that measures these rows."""
    return Curve("x", "About.", (1, 10, 100, 1000), lambda points: rows, "doors", {})


class CurveTests(SynchronousTestCase):
    """Tests of L{Curve}."""

    def test_all(self) -> None:
        """Each curve says what it measures, and has at least four points."""
        self.assertIn("configuration", listCurves())
        for name in listCurves():
            curve = findCurve(name)
            self.assertTrue(curve.about and callable(curve.measure), name)
            self.assertGreaterEqual(len(set(curve.points)), 4, name)
            self.assertEqual(sorted(curve.points), [*curve.points], name)

    def test_take(self) -> None:
        """Each row gets its point; a row too many or too few is an error."""
        curve = makeCurve({"ms": 1.0}, {"ms": 2.0})
        rows = curve.take([1, 10])
        self.assertEqual([{"doors": 1, "ms": 1.0}, {"doors": 10, "ms": 2.0}], rows)
        self.assertRaises(ValueError, curve.take, [1])

    def test_save(self) -> None:
        """The file has the rows, the machine and the versions."""
        folder = Path(self.mktemp())
        folder.mkdir()
        curve = makeCurve({"ms": 1.5})
        curve.save(folder, curve.take([1]))
        saved = json.loads((folder / "grow-x.json").read_text())
        self.assertEqual([{"doors": 1, "ms": 1.5}], saved["rows"])
        self.assertEqual({"processor", "processors"}, set(saved["machine"]))
        self.assertIn("kernel", saved["versions"])

    def test_table(self) -> None:
        """The table has a column for each figure, and a dash where there is none."""
        table = formatTable([{"doors": 1, "ms": 0.25}, {"doors": 1000, "ms": 2.0, "us": 1234.5}])
        expected = [["doors", "ms", "us"], ["1", "0.25", "-"], ["1,000", "2", "1,234"]]
        self.assertEqual(expected, [line.split() for line in table.splitlines()])


class ManyDoorsTests(SynchronousTestCase):
    """Tests of L{writeDoors}."""

    def test_valid(self) -> None:
        """Both kinds are valid configurations of so many doors."""
        for kind in KINDS:
            doors = parseConfig(writeDoors(60, kind), "file").doors
            self.assertEqual([nameDoor(at) for at in range(60)], [door.name for door in doors])
            sequences = [[*door.sequence.ports] for door in doors]
            self.assertEqual(listSequences(60, kind), sequences)

    def test_changed(self) -> None:
        """If it is changed, only the last door is different."""
        for kind in KINDS:
            before, after = (
                parseConfig(writeDoors(60, kind, isChanged), "file").doors
                for isChanged in (False, True)
            )
            self.assertEqual(before[:-1], after[:-1])
            self.assertEqual(len(before[-1].ports) + 1, len(after[-1].ports))
