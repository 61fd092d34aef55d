"""Tests of L{pkdoors.doorkeeper.openings.life}: a firewall that fails."""

from twisted.logger import LogLevel

from pkdoors.errors import FirewallError
from pkdoors.model.principal import NOBODY
from tests.doorkeeper.case import ANN, BOB, BUSY, CANNOT_CLOSE, CANNOT_OPEN, KeeperTestCase
from tests.doorkeeper.test_many import passTurn


class FailedOpenTests(KeeperTestCase):
    """
    A firewall that fails to open.
    """

    def test_notCounted(self) -> None:
        """An opening that failed does not count as open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.assertEqual([], self.openings())

    def test_line(self) -> None:
        """
        A failure to open is one line at level error, with the firewall's reason, however often it
        is tried.
        """
        self.firewall.failures = [BUSY] * 4
        self.request()
        self.clock.pump([1, 2, 4])
        self.assertEqual([CANNOT_OPEN], self.log.lines())
        self.assertEqual(["error"], self.log.levels())

    def test_retries(self) -> None:
        """The daemon tries again after 1, 2 and 4 seconds, with the deadline that was earned."""
        self.firewall.failures = [BUSY] * 3
        self.request()
        self.clock.pump([1, 2, 3.9])
        self.assertEqual(["open 203.0.113.9 until 30"] * 3, self.calls())
        self.clock.advance(0.1)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.assertIn("opened door", self.log.lines()[-1])

    def test_tooLate(self) -> None:
        """When the time is over the daemon gives up, closes whatever may be open, and logs that."""
        self.firewall.failures = [BUSY] * 5
        self.request()
        self.clock.pump([1, 2, 4, 8, 14.9])
        self.calls()
        self.clock.advance(0.1)
        self.assertEqual(["close 203.0.113.9"], self.calls())
        self.assertEqual(
            "door default (22/tcp) never opened for 203.0.113.9: its time is over",
            self.log.lines()[-1],
        )
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_healed(self) -> None:
        """When the firewall works again the daemon tries at once."""
        self.keeper.start()
        self.firewall.failures = [BUSY] * 3
        self.request()
        self.clock.pump([1, 2])
        self.firewall.flush("firewalld is back")
        self.clock.advance(0)
        self.assertEqual([(ANN, 30.0)], self.openings())
        self.clock.advance(27)
        self.assertEqual([], self.openings())

    def test_again(self) -> None:
        """After a failure the next knock may open."""
        self.firewall.failures = [BUSY]
        self.request()
        self.request()
        self.assertEqual({ANN: 30.0}, self.firewall.open_())

    def test_unexpected(self) -> None:
        """A mistake in the firewall's code is logged with its traceback, besides that line."""
        self.firewall.failures = [RuntimeError("oops")]
        self.request()
        self.assertEqual(
            [
                "cannot open door default (22/tcp) for 203.0.113.9, retrying: oops",
                "that was unexpected",
            ],
            self.log.lines(),
        )
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_unexpectedExtension(self) -> None:
        """A mistake during an extension does not lose the opening: it closes in time."""
        self.request()
        self.firewall.failures = [RuntimeError("oops")]
        self.request(60)
        self.flushLoggedErrors(RuntimeError)
        self.calls()
        self.clock.pump([1, 59])
        self.assertEqual(["open 203.0.113.9 until 60", "close 203.0.113.9"], self.calls())


class FailedCloseTests(KeeperTestCase):
    """
    A firewall that fails to close.
    """

    def setUp(self) -> None:
        """Open, and fail to close three times."""
        super().setUp()
        self.request()
        self.firewall.failures = [BUSY, BUSY, BUSY]
        self.clock.advance(30)
        self.calls()

    def test_line(self) -> None:
        """A failure to close is one line at level error, however often it is tried."""
        self.clock.pump([1, 2])
        self.assertEqual([CANNOT_CLOSE], self.log.lines(LogLevel.error))

    def test_backOff(self) -> None:
        """The daemon tries to close again after 1, 2 and 4 seconds, until it succeeds."""
        tried = []
        for half in range(1, 30):
            self.clock.advance(0.5)
            if self.calls():
                tried.append(half / 2)
        self.assertEqual([1.0, 3.0, 7.0], tried)
        self.assertEqual([], self.openings())

    def test_longestWait(self) -> None:
        """The wait does not grow beyond a minute."""
        self.firewall.failures = [BUSY] * 20
        waits = []
        for _ in range(9):
            (call,) = self.clock.getDelayedCalls()
            waits.append(call.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
        self.assertEqual([1, 2, 4, 8, 16, 32, 60, 60, 60], waits)

    def test_closedLineOnce(self) -> None:
        """The closing is logged once, when it has happened."""
        self.assertEqual(1, len(self.log.lines(LogLevel.info)))
        self.clock.pump([1, 2, 4, 8])
        self.assertEqual(
            ["closed door default (22/tcp) for 203.0.113.9"], self.log.lines(LogLevel.info)[1:]
        )

    def test_requestDuringRetry(self) -> None:
        """A knock meanwhile opens at once, with no close before its deadline."""
        self.clock.advance(0.5)
        self.firewall.failures = []
        self.request()
        self.clock.advance(25)
        self.assertEqual(["open 203.0.113.9 until 60.5"], self.calls())
        self.clock.advance(10)
        self.assertEqual(["close 203.0.113.9"], self.calls())

    def test_requestDuringRetryFails(self) -> None:
        """
        If the firewall refuses that opening too, the overdue closing is not forgotten: the daemon
        tries until it succeeds.
        """
        self.clock.advance(0.5)
        self.calls()
        self.firewall.failures = [BUSY, BUSY]
        self.request()
        self.clock.pump([2, 4, 60])
        self.assertEqual(["open 203.0.113.9 until 60.5"] * 3 + ["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())

    def test_firstWaitAgain(self) -> None:
        """After a successful closing, a later failure begins with 1 second again."""
        self.firewall.holding = True
        self.clock.advance(1)
        self.request()
        self.firewall.answer()
        self.firewall.answer()
        self.assertIn("opened door", self.log.lines()[-1])
        self.clock.advance(30)
        self.firewall.answer(BUSY)
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(1, call.getTime() - self.clock.seconds())

    def test_unexpected(self) -> None:
        """A mistake in the firewall's code does not end the tries."""
        self.firewall.failures = [RuntimeError("oops")]
        self.clock.advance(1)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.calls()
        self.clock.advance(2)
        self.assertEqual(["close 203.0.113.9"], self.calls())
        self.assertEqual([], self.openings())


class CrowdTests(KeeperTestCase):
    """
    Very many openings at once.
    """

    def come(self, count: int, seconds: int = 30) -> None:
        """Let so many clients earn an opening."""
        for number in range(count):
            self.request(seconds, source=f"10.0.{number // 250}.{number % 250}")

    def test_refusedOnce(self) -> None:
        """If the firewall refuses all of them, that is one line, and none of them is forgotten."""
        self.firewall.failures = [BUSY] * 1000
        self.come(1000)
        self.assertEqual(1, len(self.log.lines()))
        self.assertIn("cannot open door", self.log.lines()[0])
        self.clock.advance(1)
        self.assertEqual(1000, len(self.firewall.open_()))

    def test_refusedToOthers(self) -> None:
        """A later failure gets a line again, which says how many were left out."""
        self.firewall.failures = [BUSY] * 1000
        self.come(999)
        self.clock.advance(0.999)
        self.request(source=BOB)
        self.assertEqual(1, len(self.log.lines()))
        self.firewall.failures = [BUSY] * 1001
        self.clock.advance(0.001)
        self.request(source=ANN)
        self.assertEqual(2, len(self.log.lines()))
        self.assertIn("(999 more lines like this left out)", self.log.lines()[-1])

    def test_otherReasons(self) -> None:
        """One reason does not suppress another."""
        self.firewall.failures = [BUSY, FirewallError("no more room")]
        self.come(2)
        self.assertEqual(2, len(self.log.lines()))

    def test_closedInTurns(self) -> None:
        """All of them close, but not all in one turn of the reactor."""
        self.come(1000)
        keys = [each.key for each in self.keeper.openings()]
        self.keeper.close(keys, NOBODY)
        while len(self.firewall.open_()) == 1000:
            passTurn(self.clock)
        self.assertTrue(self.firewall.open_())
        self.clock.advance(0)
        self.assertEqual(({}, []), (self.firewall.open_(), self.keeper.openings()))
