"""Tests of L{pkdoors.knockports.lossalarm}."""

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports.lossalarm import LOOK, TELL, LossAlarm
from pkdoors.knocks.knock import Knock
from tests.fakes.log import Log

KNOCKS = [Knock("203.0.113.9", 17001, b"knock\n")]


class AlarmTests(SynchronousTestCase):
    """
    Tests of L{LossAlarm}.
    """

    def setUp(self) -> None:
        """Have one, and counters."""
        self.log = Log(self)
        self.clock = Clock()
        self.clock.advance(1000)
        self.dropped = {"limit": 0, "junk": 0, "overflow": 0}
        self.heard: list[Knock] = []
        self.looks = 0
        self.alarm = LossAlarm(self.heard.extend, self.look, self.clock.seconds)

    def look(self) -> dict[str, int]:
        """The counters."""
        self.looks += 1
        return dict(self.dropped)

    def warnings(self) -> list[str]:
        """What was told."""
        return self.log.lines(LogLevel.warn)

    def test_handsOn(self) -> None:
        """What is heard is handed on, and where nothing is lost nothing is told."""
        self.dropped["junk"] = 1000
        self.alarm.hear(KNOCKS)
        self.assertEqual((KNOCKS, []), (self.heard, self.warnings()))

    def test_tells(self) -> None:
        """What was lost is told in one line."""
        self.dropped.update(overflow=7, limit=5)
        self.alarm.hear(KNOCKS)
        self.assertEqual(
            [
                "a flood: of the datagrams on knock ports 7 found no room and 5 were too many from "
                "one source; honest knocks may be among them (`pkdoors status` counts on)"
            ],
            self.warnings(),
        )

    def test_one(self) -> None:
        """Of what was not lost nothing is said."""
        self.dropped["limit"] = 5
        self.alarm.hear(KNOCKS)
        self.assertIn("knock ports 5 were too many from one source; honest", self.warnings()[0])

    def test_seldom(self) -> None:
        """That is once a minute at most, and then what came since."""
        for _ in range(100):
            self.dropped["overflow"] += 10
            self.alarm.hear(KNOCKS)
            self.clock.advance(TELL / 50)
        first, second = self.warnings()
        self.assertIn("10 found no room;", first)
        self.assertIn("500 found no room;", second)

    def test_looksSeldom(self) -> None:
        """It looks once a second at most, and not while nothing is heard."""
        for _ in range(40):
            self.alarm.hear(KNOCKS)
            self.clock.advance(LOOK / 10)
        self.assertEqual(4, self.looks)
        self.clock.advance(1000)
        self.assertEqual((4, []), (self.looks, self.clock.getDelayedCalls()))
