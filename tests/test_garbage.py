"""Tests of L{pkdoors.garbage}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.garbage import FULL_EVERY, Garbage


class GarbageTests(SynchronousTestCase):
    """
    Tests of L{Garbage}.
    """

    def test_ready(self) -> None:
        """When all is loaded, and not before, the collector is told to leave it alone."""
        done: list[object] = []
        garbage = Garbage(lambda: done.append("frozen"), lambda *counts: done.append(counts))
        garbage.prepare()
        garbage.start()
        self.assertEqual([], done)
        garbage.ready()
        self.assertEqual(["frozen", (700, 10, FULL_EVERY)], done)
