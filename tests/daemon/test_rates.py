"""Tests of L{pkdoors.daemon.rates}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.rates import STEP, STEPS, Rates
from pkdoors.events.counters import Counters
from pkdoors.events.event import OPENED

NONE = (0, 0, 0, 0, 0, 0, 0)


class RatesTests(SynchronousTestCase):
    """The counts of each step."""

    def setUp(self) -> None:
        """Have counters that have counted before."""
        self.clock = Clock()
        self.clock.advance(1000.5)
        self.counters = Counters()
        self.drops = {"limit": 0, "junk": 7, "overflow": 0}
        self.looks = 0
        self.counters.dropped = self.readDrops
        self.counters.knocks["other"] = 5
        self.rates = Rates(self.clock, self.counters)

    def readDrops(self) -> dict[str, int]:
        """Return the drops so far."""
        self.looks += 1
        return dict(self.drops)

    def counts(self) -> list[tuple[int, ...]]:
        """Return the counts of all steps."""
        return [step.counts for step in self.rates.steps()]

    def test_counts(self) -> None:
        """A step has what was counted in it, and nothing from before the start."""
        self.rates.start()
        self.assertEqual([], self.counts())
        self.counters.knocks.update({"request": 2, "refused": 1, "other": 30})
        self.counters.events[OPENED] += 4
        self.drops.update(limit=5, junk=13, overflow=8)
        self.clock.advance(STEP)
        self.assertEqual([(33, 2, 1, 5, 6, 8, 4)], self.counts())
        self.clock.advance(STEP)
        self.counters.knocks["other"] += 1
        self.clock.advance(STEP)
        self.assertEqual([NONE, (1, 0, 0, 0, 0, 0, 0)], self.counts()[1:])
        self.assertEqual([1010.5, 1020.5, 1030.5], [step.end for step in self.rates.steps()])

    def test_most(self) -> None:
        """The latest quarter of an hour is kept, whether anybody asks or not."""
        self.rates.start()
        for number in range(STEPS + 10):
            self.counters.knocks["other"] += number
            self.clock.advance(STEP)
        self.assertEqual([(n, *NONE[1:]) for n in range(10, STEPS + 10)], self.counts())
        self.assertEqual(900.0, STEPS * STEP)

    def test_seldom(self) -> None:
        """The counters, which the kernel has, are read once in a step, and not to answer."""
        self.rates.start()
        for _ in range(100):
            self.clock.advance(STEP / 10)
            self.rates.steps()
        self.assertEqual(11, self.looks)

    def test_late(self) -> None:
        """After a late look the step says how long it was; the next ones end as they would have."""
        self.rates.start()
        self.counters.knocks["other"] += 6
        self.clock.advance(2 * STEP + 5.0)
        self.clock.advance(5.0)
        self.clock.advance(STEP)
        steps = self.rates.steps()
        self.assertEqual([25.0, 5.0, 10.0], [step.seconds for step in steps])
        self.assertEqual([6, 0, 0], [step.counts[0] for step in steps])

    def test_stop(self) -> None:
        """Nothing wakes up after the end; to stop what never began does nothing."""
        self.successResultOf(self.rates.stop())
        self.rates.start()
        self.successResultOf(self.rates.stop())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_fails(self) -> None:
        """If the counters cannot be read once, the next step has the counts of both."""
        self.rates.start()
        self.counters.dropped = lambda: dict[str, dict[str, int]]()["gone"]
        self.assertRaises(KeyError, self.clock.advance, STEP)  # which a reactor logs
        self.counters.dropped = self.readDrops
        self.counters.knocks["other"] += 2
        self.clock.advance(STEP)
        (step,) = self.rates.steps()
        self.assertEqual((2 * STEP, 2), (step.seconds, step.counts[0]))
