"""Tests of L{pkdoors.daemon.process.memory}."""

import gc
import weakref
from collections.abc import Callable
from types import SimpleNamespace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.process import memory
from pkdoors.daemon.process.memory import FEW, OLD_EVERY, SELDOM, Memory


class FakeCollector:
    """
    Python's garbage collector.

    @ivar done: what it was told to do.
    @ivar frozen: how many objects it looks at no more.
    """

    def __init__(self) -> None:
        self.done: list[object] = []
        self.callbacks: list[Callable[[str, dict[str, int]], None]] = []
        self.frozen = 0

    def freeze(self) -> None:
        """Look no more at the present objects."""
        self.done.append("freeze")

    def unfreeze(self) -> None:
        """Look at all of them again."""
        self.done.append("unfreeze")

    def set_threshold(self, *counts: int) -> None:
        """Set how often it collects."""
        self.done.append(counts)

    def get_freeze_count(self) -> int:
        """Return how many objects it looks at no more."""
        return self.frozen

    def collect(self, generation: int) -> list[object]:
        """Collect; return what it was told meanwhile."""
        self.done.clear()
        for phase in ("start", "stop"):
            for call in self.callbacks:
                call(phase, {"generation": generation})
        return self.done


class MemoryTests(SynchronousTestCase):
    """
    Tests of L{Memory}.
    """

    def setUp(self) -> None:
        """Replace the collector."""
        self.clock = Clock()
        self.collector = FakeCollector()
        self.done = self.collector.done
        self.memory = Memory(self.clock.seconds, self.collector)

    def test_ready(self) -> None:
        """
        When everything is loaded, and not before, the collector ignores it, and unused memory is
        returned.
        """
        trim = SimpleNamespace(malloc_trim=lambda left: self.done.append(f"trim {left}"))
        self.patch(memory, "_libc", trim)
        self.memory.prepare()
        self.memory.start()
        self.assertEqual([], self.done)
        self.memory.ready()
        self.successResultOf(self.memory.stop())
        self.assertEqual(["freeze", (700, 10, OLD_EVERY), "trim 0"], self.done)

    def test_others(self) -> None:
        """A C library that cannot return memory is not a trouble."""
        self.patch(memory, "_libc", SimpleNamespace())
        self.memory.ready()
        self.assertEqual(["freeze", (700, 10, OLD_EVERY)], self.done)

    def test_once(self) -> None:
        """The collector looks at an old object only once, and always at young ones."""
        self.memory.ready()
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.assertEqual([], self.collector.collect(1))
        self.assertEqual([], self.collector.collect(0))

    def test_whole(self) -> None:
        """Once an hour it looks at all objects, if they are few, or twice as many as before."""
        self.collector.frozen = FEW
        self.memory.ready()
        self.clock.advance(SELDOM)
        self.assertEqual(["unfreeze", "freeze"], self.collector.collect(2))
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.collector.frozen = 2 * FEW - 1
        self.clock.advance(SELDOM)
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.collector.frozen = 2 * FEW
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.clock.advance(SELDOM)
        self.assertEqual(["unfreeze", "freeze"], self.collector.collect(2))

    def test_stop(self) -> None:
        """A daemon that stops leaves the collector alone, also if it was never ready."""
        self.successResultOf(self.memory.stop())
        self.memory.ready()
        self.successResultOf(self.memory.stop())
        self.assertEqual([], self.collector.collect(2))


class CollectorTests(SynchronousTestCase):
    """
    Tests of L{Memory} with Python's own collector.
    """

    def setUp(self) -> None:
        """Let it know nothing but what a test makes."""
        before = gc.get_threshold()
        self.addCleanup(lambda: gc.set_threshold(*before))
        self.addCleanup(gc.unfreeze)
        self.patch(memory, "_libc", SimpleNamespace())
        self.memory = Memory()
        self.memory.ready()
        self.addCleanup(self.memory.stop)

    def test_looksOnce(self) -> None:
        """However many objects there are, a collection looks only at those since the last one."""
        kept = [[number] for number in range(50_000)]
        gc.collect()
        self.assertLess(len(gc.get_objects()), len(kept) // 10)
        frozen = gc.get_freeze_count()
        kept.clear()
        self.assertLess(gc.get_freeze_count(), frozen - 40_000)

    def test_circles(self) -> None:
        """Young circles are freed."""
        circles: list[weakref.ref[Circle]] = []
        for _ in range(1000):
            circle = Circle()
            circle.itself = circle
            circles.append(weakref.ref(circle))
        del circle
        gc.collect()
        self.assertEqual(set(), {each() for each in circles} - {None})


class Circle:
    """Something that refers to itself."""

    itself: object
