"""Tests of L{pkdoors.knockports.lossalarm}."""

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports.lossalarm import LOOK, WARN, LossAlarm
from tests.fakes.log import Log


class LossAlarmTests(SynchronousTestCase):
    """
    Tests of L{LossAlarm}.
    """

    def setUp(self) -> None:
        """Make one, and counters."""
        self.log = Log(self)
        self.clock = Clock()
        self.clock.advance(1000)
        self.dropped = {"limit": 0, "junk": 0, "overflow": 0}
        self.looks = 0
        self.alarm = LossAlarm(self.countDropped, self.clock.seconds)

    def countDropped(self) -> dict[str, int]:
        """Return the counters."""
        self.looks += 1
        return dict(self.dropped)

    def warnings(self) -> list[str]:
        """Return the warnings in the log."""
        return self.log.lines(LogLevel.warn)

    def test_quiet(self) -> None:
        """Junk that the kernel filters is not a loss."""
        self.dropped["junk"] = 1000
        self.alarm.look()
        self.assertEqual([], self.warnings())

    def test_warns(self) -> None:
        """One line reports all losses."""
        self.dropped.update(overflow=7, limit=5)
        self.alarm.look()
        self.assertEqual(
            [
                "a flood: of the datagrams on knock ports 7 found no room and 5 were too many from "
                "one source; honest knocks may be among them (`pkdoors status` keeps counting)"
            ],
            self.warnings(),
        )

    def test_one(self) -> None:
        """The line names only the reasons that there were."""
        self.dropped["limit"] = 5
        self.alarm.look()
        self.assertIn("knock ports 5 were too many from one source; honest", self.warnings()[0])

    def test_seldomWarns(self) -> None:
        """It warns once a minute at most, and then counts what was lost since."""
        for _ in range(100):
            self.dropped["overflow"] += 10
            self.alarm.look()
            self.clock.advance(WARN / 50)
        first, second = self.warnings()
        self.assertIn("10 found no room;", first)
        self.assertIn("500 found no room;", second)

    def test_seldomLooks(self) -> None:
        """It reads the counters once a second at most, and never wakes up by itself."""
        for _ in range(40):
            self.alarm.look()
            self.clock.advance(LOOK / 10)
        self.assertEqual(4, self.looks)
        self.clock.advance(1000)
        self.assertEqual((4, []), (self.looks, self.clock.getDelayedCalls()))
