"""Tests of L{pkdoors.heap}."""

from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors import heap
from pkdoors.heap import Heap


class HeapTests(SynchronousTestCase):
    """
    Tests of L{Heap}.
    """

    def test_given(self) -> None:
        """What nothing needs is given back once, when the daemon is ready."""
        given: list[int] = []
        self.patch(heap, "_libc", SimpleNamespace(malloc_trim=given.append))
        part = Heap()
        part.prepare()
        part.start()
        self.assertEqual([], given)
        part.ready()
        self.successResultOf(part.stop())
        self.assertEqual([0], given)

    def test_others(self) -> None:
        """A C library that cannot do that is no trouble."""
        self.patch(heap, "_libc", SimpleNamespace())
        Heap().ready()
