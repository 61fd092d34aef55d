"""Tests of L{pkdoors.fleet.relay._troubles}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.fleet.relay._troubles import Troubles
from tests.fakes.log import Log


class TroublesTests(SynchronousTestCase):
    """Tests of what is reported."""

    def setUp(self) -> None:
        self.log = Log(self)
        self.troubles = Troubles()

    def test_once(self) -> None:
        """The same trouble of several things is one line, and so is its end."""
        for _ in range(3):
            self.troubles.begin("seals", "full")
            self.troubles.begin("events", "full")
        self.assertEqual((["full"], ("full",)), (self.log.lines(), self.troubles.texts()))
        self.troubles.end("seals", "fine")
        self.assertEqual(["full"], self.log.lines())
        self.troubles.end("events", "fine")
        self.troubles.end("events", "fine")
        self.assertEqual((["full", "fine"], ()), (self.log.lines(), self.troubles.texts()))

    def test_change(self) -> None:
        """Another reason is another line."""
        self.troubles.begin("engine", "refused")
        self.troubles.begin("engine", "wrong password")
        self.assertEqual(["refused", "wrong password"], self.log.lines())
