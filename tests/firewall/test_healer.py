"""Tests of L{pkdoors.firewall._healer}, with the doorkeeper that it works for."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.locks.lock import Request
from tests.fakes.doors import makeDoor
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log

ANN, BOB = "203.0.113.9", "203.0.113.10"
GONE = FirewallError("firewalld does not answer")


class HealerTests(SynchronousTestCase):
    """
    What happens if somebody removes the guard.
    """

    def setUp(self) -> None:
        """Open a door for one address."""
        self.log = Log(self)
        self.clock = Clock()
        self.firewall = FakeFirewall(self.clock)
        self.door = makeDoor()
        self.keeper = Doorkeeper(
            self.clock,
            FirewallStack(self.clock, [self.firewall]),
            [self.door],
            EventPublisher(lambda: 0.0),
        )
        self.keeper.start()
        self.clock.advance(1)
        self.keeper.request(Request(self.door, ANN, 0))
        self.firewall.calls.clear()

    def restorations(self) -> list[str]:
        """Return the restorations since the last call."""
        calls = [call for call in self.firewall.calls if call.startswith("restore")]
        self.firewall.calls.clear()
        return calls

    def test_atOnce(self) -> None:
        """Everything is restored at once, with the same deadlines."""
        self.clock.advance(10)
        self.firewall.flush()
        self.clock.advance(0)
        self.assertEqual([f"restore {ANN} until 31"], self.restorations())
        self.assertEqual({ANN: 31.0}, self.firewall.open_())

    def test_warning(self) -> None:
        """One line in the log names the cause."""
        self.firewall.flush("nft changed the guard")
        self.clock.advance(0)
        self.assertEqual(
            ["nft changed the guard: restored the rules of pkdoors in fake"],
            self.log.lines(LogLevel.warn),
        )

    def test_closesOnTime(self) -> None:
        """A restored opening is closed at its deadline, once."""
        self.firewall.flush()
        self.clock.pump([0, 30])
        self.assertEqual([f"restore {ANN} until 31", f"close {ANN}"], self.firewall.calls)

    def test_nothingOpen(self) -> None:
        """What is closed already is not opened again."""
        self.clock.advance(30)
        self.firewall.flush()
        self.clock.advance(0)
        self.assertEqual(["restore"], self.restorations())

    def test_storm(self) -> None:
        """
        If somebody flushes in a loop, the daemon neither spins nor fills the log; in the end all is
        restored.
        """
        for _ in range(1000):
            self.firewall.flush()
            self.clock.advance(0.001)
        self.assertTrue(10 <= len(self.restorations()) <= 21)
        self.assertEqual(1, len(self.log.lines(LogLevel.warn)))
        self.clock.advance(0.05)
        self.assertEqual({ANN: 31.0}, self.firewall.open_())
        self.clock.advance(0.1)
        _, line = self.log.lines(LogLevel.warn)
        self.assertRegex(line, r"in fake \([0-9]+ more lines like this left out\)$")

    def test_retries(self) -> None:
        """A failed restoration is tried again, after longer and longer times, until it succeeds."""
        self.firewall.failures = [GONE, GONE, GONE]
        self.firewall.flush()
        self.clock.pump([0, 1, 2, 3.9])
        self.assertEqual(3, len(self.restorations()))
        self.clock.advance(0.1)
        self.assertEqual(1, len(self.restorations()))
        self.assertEqual({ANN: 31.0}, self.firewall.open_())
        self.clock.advance(20)
        self.assertEqual([], self.restorations())

    def test_told(self) -> None:
        """A failure is logged once, with its reason, and its end is logged, too."""
        self.firewall.failures = [GONE] * 3
        self.firewall.flush("firewalld went away")
        self.clock.pump([0, 1, 2, 4])
        self.assertEqual(
            [
                "firewalld went away: cannot restore the rules of pkdoors in fake, retrying: "
                "firewalld does not answer",
                "restored the rules of pkdoors in fake",
            ],
            self.log.lines(LogLevel.error, LogLevel.warn),
        )

    def test_otherReason(self) -> None:
        """If it fails for another reason, that is logged, too."""
        self.firewall.failures = [GONE, FirewallError("firewalld refused")]
        self.firewall.flush()
        self.clock.pump([0, 1])
        self.assertIn("retrying: firewalld refused", self.log.lines(LogLevel.error)[-1])

    def test_unexpected(self) -> None:
        """
        A bug in the firewall's code is logged with its traceback, and the restoration is tried
        again.
        """
        self.firewall.failures = [RuntimeError("oops")]
        self.firewall.flush()
        self.clock.advance(0)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.clock.advance(1)
        self.assertEqual({ANN: 31.0}, self.firewall.open_())

    def test_backBeforeTheRetry(self) -> None:
        """A signal that the firewall is back ends the wait for the next try."""
        self.firewall.failures = [GONE, GONE, GONE]
        self.firewall.flush("firewalld went away")
        self.clock.pump([0, 1, 2])
        self.firewall.calls.clear()
        self.firewall.flush("firewalld is back")
        self.clock.advance(0.05)
        self.assertEqual(1, len(self.restorations()))
        self.clock.advance(20)
        self.assertEqual([], self.restorations())

    def test_lostMeanwhile(self) -> None:
        """What is lost during a restoration is restored again."""
        self.firewall.holding = True
        self.firewall.flush()
        self.clock.advance(0)
        self.firewall.flush()
        self.firewall.answer()
        self.firewall.holding = False
        self.clock.advance(0.05)
        self.assertEqual(2, len(self.restorations()))

    def test_stop(self) -> None:
        """After the stop nothing is restored, not even what was to be tried again."""
        self.firewall.failures = [GONE]
        self.firewall.flush()
        self.clock.advance(0)
        self.firewall.calls.clear()
        self.successResultOf(Deferred.fromCoroutine(self.keeper.stop()))
        self.firewall.flush()
        self.clock.pump([1] * 60)
        self.assertEqual(["stop"], self.firewall.calls)
