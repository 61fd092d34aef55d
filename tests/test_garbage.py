"""Tests of L{pkdoors.garbage}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.garbage import Garbage


class GarbageTests(SynchronousTestCase):
    """
    Tests of L{Garbage}.
    """

    def test_ready(self) -> None:
        """When all is loaded, and not before, it is taken out of the collector's sight."""
        frozen: list[bool] = []
        garbage = Garbage(lambda: frozen.append(True))
        garbage.prepare()
        garbage.start()
        self.assertEqual([], frozen)
        garbage.ready()
        self.assertEqual([True], frozen)
