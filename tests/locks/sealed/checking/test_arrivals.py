"""Tests of L{pkdoors.locks.sealed.checking.arrivals}."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.locks.sealed.checking.arrivals import ArrivalKey, Arrivals
from tests.lab.properties import PROPERTY

KEYS = st.tuples(st.just("203.0.113.9"), st.integers(0, 8), st.integers(0, 2))


class ArrivalsTests(SynchronousTestCase):
    """
    Tests of L{Arrivals}.
    """

    @PROPERTY
    @given(st.lists(st.tuples(KEYS, st.sampled_from((0, 1, 20, None))), min_size=10, max_size=50))
    def test_counts(self, done: list[tuple[ArrivalKey, int | None]]) -> None:
        """It always knows how many datagrams each lock has."""
        arrivals, there = Arrivals(5), set()
        for now, (key, stage) in enumerate(done):
            if stage is None:
                arrivals.forget(key)
                there.discard(key)
            else:
                there.discard(arrivals.put(key, stage, now + 7.0))
                there.add(key)
            if now % 5 == 0:
                arrivals.sweep(float(now))
                there = {key for key in there if arrivals.get(key)}
            counts = Counter(number for _, _, number in there)
            self.assertEqual([counts[lock] for lock in range(3)], [*map(arrivals.count, range(3))])

    def test_numbers(self) -> None:
        """Each lock has a number of its own."""
        arrivals = Arrivals()
        self.assertEqual(3, len({arrivals.newNumber() for _ in range(3)}))
