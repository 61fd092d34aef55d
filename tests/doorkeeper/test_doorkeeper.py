"""Tests of L{pkdoors.doorkeeper.doorkeeper}: start, stop, and random failures."""

import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.interface import IFirewall
from pkdoors.locks.lock import Request
from tests.doorkeeper.case import ANN, BOB, BUSY, KeeperTestCase
from tests.fakes.daemon import MemoryDaemon
from tests.fakes.doors import makeOpening
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log


class FakeFirewallTests(SynchronousTestCase):
    """
    The fake firewall that these tests rely on.
    """

    def test_interface(self) -> None:
        """The fake provides L{IFirewall}."""
        verifyObject(IFirewall, FakeFirewall(Clock()))

    def test_timer(self) -> None:
        """The fake closes a door by itself at the deadline."""
        clock = Clock()
        firewall = FakeFirewall(clock)
        self.successResultOf(firewall.open(makeOpening(ANN, deadline=30.0)))
        clock.advance(29)
        self.assertEqual({ANN: 30.0}, firewall.open_())
        clock.advance(1)
        self.assertEqual({}, firewall.open_())

    def test_oneCallAtATime(self) -> None:
        """The fake rejects a call for an opening while it is busy with that opening."""
        firewall = FakeFirewall(Clock())
        firewall.holding = True
        firewall.open(makeOpening(ANN))
        self.assertRaises(AssertionError, firewall.close, makeOpening(ANN))


class StartStopTests(KeeperTestCase):
    """
    Start and stop.
    """

    def stop(self) -> None:
        """Stop the doorkeeper, which must be done at once."""
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))

    def test_prepare(self) -> None:
        """Preparing only asks the firewall to prepare."""
        self.keeper.prepare()
        self.assertEqual(["prepare"], self.calls())

    def test_start(self) -> None:
        """Starting starts the firewall."""
        self.keeper.start()
        self.assertEqual(["start"], self.calls())

    def test_startFails(self) -> None:
        """An error of the firewall at the start is raised."""
        self.firewall.failures = [BUSY]
        self.assertIs(BUSY, self.assertRaises(FirewallError, self.keeper.start))

    def test_leavesOpenings(self) -> None:
        """Stopping closes nothing: openings run out by themselves in the firewall."""
        self.request()
        self.request(source=BOB)
        self.calls()
        self.stop()
        self.clock.advance(100)
        self.assertEqual(["stop"], self.calls())

    def test_nothingRunsAfterwards(self) -> None:
        """After stopping, no timer runs and nothing is known to be open."""
        self.request()
        self.stop()
        self.assertEqual(([], []), (self.openings(), self.clock.getDelayedCalls()))

    def test_duringOpen(self) -> None:
        """A pending opening is left alone when it is done."""
        self.firewall.holding = self.firewall.hasBegun = True
        self.request()
        self.firewall.holding = False
        self.stop()
        self.firewall.answer()
        self.clock.advance(100)
        self.assertEqual(["open 203.0.113.9 until 30", "stop"], self.calls())
        self.assertEqual([], self.openings())

    def test_duringRetry(self) -> None:
        """A closing that is being retried is left to the firewall's timer."""
        self.request()
        self.firewall.failures = [BUSY]
        self.clock.advance(30)
        self.calls()
        self.stop()
        self.clock.advance(100)
        self.assertEqual(["stop"], self.calls())

    def test_stopFails(self) -> None:
        """
        If the firewall cannot take something back, that is one line at level error, and the daemon
        stops.
        """
        self.firewall.failures = [BUSY]
        self.stop()
        self.assertEqual(
            ["cannot remove all rules: firewall is busy"], self.log.lines(LogLevel.error)
        )

    def test_stopIsNotAnswered(self) -> None:
        """A firewall that does not answer delays the end by five seconds only."""
        self.firewall.holding = True
        stopped = Deferred.fromCoroutine(self.keeper.stop())
        self.clock.advance(4.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(
            ["cannot remove all rules: fake did not answer within 5s"],
            self.log.lines(LogLevel.error),
        )


class LifeModelTests(KeeperTestCase):
    """
    Openings under random requests and failures.
    """

    def test_neverOutlives(self) -> None:
        """
        Whatever is requested and whatever fails, nobody can come in after the last deadline that
        was granted, and when the firewall works again, nothing is left.
        """
        random_ = random.Random(20261104)
        latest = 0.0
        for _ in range(3000):
            self.firewall.failures = [BUSY] if random_.random() < 0.3 else []
            if random_.random() < 0.5:
                seconds = random_.choice((1, 5, 30))
                latest = max(latest, self.clock.seconds() + seconds)
                self.request(seconds)
            self.assertLessEqual(len(self.openings()), 1)
            self.assertLessEqual(self.firewall.open_().get(ANN, 0.0), latest)
            self.clock.advance(random_.choice((0.0, 0.5, 3.0, 20.0)))
        self.firewall.failures = []
        self.clock.pump([60.0] * 10)
        self.assertEqual(([], {}), (self.openings(), self.firewall.open_()))


class TakeOverTests(SynchronousTestCase):
    """
    Openings that an earlier daemon left.
    """

    def setUp(self) -> None:
        """Make a door that is open for 12 seconds more when the doorkeeper starts."""
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.firewall.before = [makeOpening(ANN, deadline=12.0)]
        self.door = self.firewall.before[0].door
        self.keeper = MemoryDaemon(self.clock, [self.firewall], [self.door]).keeper
        self.keeper.start()

    def test_line(self) -> None:
        """The log names the opening, with the time that is left."""
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.startswith(f"took over door default (22/tcp) for {ANN} until "), line)
        self.assertTrue(line.endswith("(12s)"), line)

    def test_notOpenedAgain(self) -> None:
        """The daemon does not open it again, and knows it."""
        self.assertEqual(["start"], self.firewall.calls)
        self.assertEqual(
            [(ANN, 12.0)], [(str(e.source), e.deadline) for e in self.keeper.openings()]
        )

    def test_closes(self) -> None:
        """The daemon closes it when its time is over."""
        self.clock.advance(12)
        self.assertEqual(["start", f"close {ANN}"], self.firewall.calls)
        self.assertEqual([], self.keeper.openings())

    def test_extends(self) -> None:
        """A knock extends it."""
        self.clock.advance(2)
        self.keeper.request(Request(self.door, ANN, 0))
        self.assertEqual(["start", f"open {ANN} until 32"], self.firewall.calls)
        self.assertTrue(self.log.lines(LogLevel.info)[-1].startswith("extended door"))
