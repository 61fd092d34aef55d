"""Tests of L{pkdoors.daemon.heap}."""

from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon import heap
from pkdoors.daemon.heap import FULL_EVERY, MemoryTrim


class HeapTests(SynchronousTestCase):
    """
    Tests of L{MemoryTrim}.
    """

    def setUp(self) -> None:
        """Nothing is really done."""
        self.done: list[object] = []
        self.heap = MemoryTrim(
            lambda: self.done.append("freeze"), lambda *counts: self.done.append(counts)
        )

    def test_ready(self) -> None:
        """
        When all is loaded, and not before, it is taken out of the collector's sight, and what
        nothing needs is given back.
        """
        trim = SimpleNamespace(malloc_trim=lambda left: self.done.append(f"trim {left}"))
        self.patch(heap, "_libc", trim)
        self.heap.prepare()
        self.heap.start()
        self.assertEqual([], self.done)
        self.heap.ready()
        self.successResultOf(self.heap.stop())
        self.assertEqual(["freeze", (700, 10, FULL_EVERY), "trim 0"], self.done)

    def test_others(self) -> None:
        """A C library that cannot give back is no trouble."""
        self.patch(heap, "_libc", SimpleNamespace())
        self.heap.ready()
        self.assertEqual(["freeze", (700, 10, FULL_EVERY)], self.done)
