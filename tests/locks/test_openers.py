"""Tests of L{pkdoors.locks.openers}: a search in a tree, beside trying all pairs of doors."""

from collections.abc import Callable
from itertools import permutations
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.openers import _opens, findOpeners
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor
from tests.lab.growth import measureGrowth


def makeDoors(sequences: list[list[int]]) -> list[Door]:
    """Return a door for each sequence."""
    return [
        makeDoor(tuple(ports), ports=str(10 + at), name=f"door{at}")
        for at, ports in enumerate(sequences)
    ]


class FindOpenersTests(SynchronousTestCase):
    """Tests of L{findOpeners}."""

    def test_pairs(self) -> None:
        """It finds the same pairs of doors as the locks do if all pairs are tried."""
        random, found = Random(7), 0
        for _ in range(150):
            few = random.choice([range(1, 4), range(1, 6), range(1, 9)])
            lengths = [random.choice([5, 5, 6, 7, 9]) for _ in range(14)]
            doors = makeDoors([random.choices(few, k=length) for length in lengths])
            pairs = [pair for pair in permutations(doors, 2) if _opens(*pair)]
            self.assertEqual(sorted(pairs, key=str), sorted(findOpeners(doors), key=str))
            found += len(pairs)
        self.assertGreater(found, 30)

    def test_linear(self) -> None:
        """It takes twice as long for twice as many doors, even if all have the same ports."""
        orders = list(permutations(range(1, 9)))
        Random(7).shuffle(orders)

        def makeWork(count: int) -> Callable[[], object]:
            doors = makeDoors([[*order] for order in orders[:count]])
            return lambda: self.assertEqual([], list(findOpeners(doors)))

        self.assertLess(measureGrowth(makeWork, 100, 8), 2.0)
