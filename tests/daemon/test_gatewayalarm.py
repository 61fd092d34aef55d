"""Tests of L{pkdoors.daemon.gatewayalarm}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.gatewayalarm import AGAIN, LOOK, GatewayAlarm
from pkdoors.events.event import CLOSED, OPENED, Event
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log

ROUTER, CLIENT = "192.168.1.1", "203.0.113.9"


class AlarmTests(SynchronousTestCase):
    """A host behind a router."""

    def setUp(self) -> None:
        """Listen to its log."""
        self.gateways, self.looks = {ROUTER}, 0
        self.alarm, self.log = GatewayAlarm(self.find), Log(self)

    def find(self) -> set[str]:
        """Return the routers, and count the looks."""
        self.looks += 1
        return self.gateways

    def hear(self, kind: str = OPENED, source: str = ROUTER, time: float = 1e9) -> list[str]:
        """Let it hear an event, and return what it logs."""
        before = len(self.log.lines())
        self.alarm.hear(Event(kind, time, makeDoor(name="ssh"), source))
        return self.log.lines()[before:]

    def test_router(self) -> None:
        """An opening for the router is a warning, with what to do."""
        (line,) = self.hear()
        self.assertIn("192.168.1.1, for which door ssh opened, is this host's own router", line)
        self.assertIn("switch that off in the router", line)

    def test_others(self) -> None:
        """Other openings, and other events, are not."""
        self.assertEqual([], self.hear(source=CLIENT))
        self.assertEqual([], self.hear(CLOSED))

    def test_onceADay(self) -> None:
        """It warns once a day, wherever the clock is set."""
        self.assertEqual(1, len(self.hear(time=1e9)))
        self.assertEqual([], self.hear(time=1e9 + AGAIN - 1))
        self.assertEqual([], self.hear(time=1e9 - AGAIN + 1))
        self.assertEqual(1, len(self.hear(time=1e9 + AGAIN)))

    def test_seldom(self) -> None:
        """Very many openings cost one look, and a new router is noticed."""
        for _ in range(100):
            self.hear(source=CLIENT)
        self.assertEqual(1, self.looks)
        self.gateways = {CLIENT}
        self.assertEqual(1, len(self.hear(source=CLIENT, time=1e9 + LOOK)))
