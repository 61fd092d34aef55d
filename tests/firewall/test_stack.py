"""Tests of L{pkdoors.firewall.stack}."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import STOP_TIMEOUT, FirewallStack
from pkdoors.locks.lock import Request
from pkdoors.model.doors import Opening
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.firewall import FakeFirewall
from tests.fakes.log import Log

ANN = "203.0.113.9"
NO, NEITHER = FirewallError("no"), FirewallError("neither")

Work = Coroutine[Any, Any, None] | Deferred[None]


class StackTestCase(SynchronousTestCase):
    """
    The two firewalls of a host that has firewalld, which does not know what is open.
    """

    def setUp(self) -> None:
        """Make the firewalls."""
        self.log = Log(self)
        self.clock = Clock()
        self.diary: list[str] = []
        self.guard = FakeFirewall(self.clock, "nftables", self.diary)
        self.firewalld = FakeFirewall(self.clock, "firewalld", self.diary)
        self.firewalld.isForgetful = True
        self.stack = FirewallStack(self.clock, [self.guard, self.firewalld])
        self.doors = (makeDoor(),)
        self.wanted: list[Opening] = []
        self.onHealed: list[float] = []

    def start(self) -> list[Opening]:
        """Start; the openings that are found become the wanted ones."""
        self.wanted = self.stack.start(
            self.doors, lambda: self.wanted, lambda: self.onHealed.append(self.clock.seconds())
        )
        return self.wanted

    def started(self) -> None:
        """Start, and forget the calls."""
        self.start()
        self.clock.pump([0, 1])
        self.diary.clear()
        self.onHealed.clear()

    def do(self, work: Work) -> Deferred[None]:
        """Begin work."""
        return work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)

    def error(self, work: Work) -> Exception:
        """Return the error that work fails with."""
        error = self.failureResultOf(self.do(work)).value
        assert isinstance(error, Exception)
        return error


class StartTests(StackTestCase):
    """
    Tests of L{FirewallStack.prepare} and L{FirewallStack.start}.
    """

    def test_name(self) -> None:
        """The name consists of all firewalls' names."""
        self.assertEqual("nftables and firewalld", self.stack.name)
        self.assertEqual("nftables", FirewallStack(self.clock, [self.guard]).name)

    def test_prepare(self) -> None:
        """All firewalls are prepared, and nothing else happens."""
        self.stack.prepare(self.doors)
        self.clock.advance(1)
        self.assertEqual(["nftables: prepare", "firewalld: prepare"], self.diary)

    def test_prepareFails(self) -> None:
        """If one cannot work, its error is raised."""
        for firewall in (self.guard, self.firewalld):
            firewall.failures = [NO]
            self.assertIs(NO, self.assertRaises(FirewallError, self.stack.prepare, self.doors))

    def test_start(self) -> None:
        """
        The innermost starts first, so a firewall that hangs does not keep the ports from being
        closed.
        """
        self.start()
        self.assertEqual(["nftables: start", "firewalld: start"], self.diary)

    def test_startFails(self) -> None:
        """If an outer firewall refuses, the ports are closed all the same."""
        self.firewalld.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.start))
        self.assertEqual(self.doors, self.guard.guarded)

    def test_innermostRefuses(self) -> None:
        """If the innermost refuses, the others are not asked."""
        self.guard.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.start))
        self.assertEqual(["nftables: start"], self.diary)

    def test_found(self) -> None:
        """An opening exists already if any of the firewalls knows it."""
        ann, bob = makeOpening(ANN), makeOpening("2001:db8::7")
        self.guard.before = [ann]
        self.assertEqual([ann], self.start())
        self.guard, self.firewalld = (FakeFirewall(self.clock) for _ in range(2))
        self.guard.before, self.firewalld.before = [ann], [bob]
        self.stack = FirewallStack(self.clock, [self.guard, self.firewalld])
        self.assertCountEqual([ann, bob], self.start())

    def test_forgetful(self) -> None:
        """
        A firewall that does not know what is open is restored soon; the others are left alone.
        """
        self.guard.before = [makeOpening(ANN)]
        self.start()
        self.diary.clear()
        self.clock.advance(0)
        self.assertEqual([f"firewalld: restore {ANN} until 30"], self.diary)
        self.clock.advance(60)
        self.assertEqual(1, len(self.diary))

    def test_forgetfulIsQuiet(self) -> None:
        """That is not a healing, so it is not logged."""
        self.start()
        self.clock.advance(1)
        self.assertEqual((2 + 1, []), (len(self.diary), self.log.lines()))


class OpeningTests(StackTestCase):
    """
    Tests of L{FirewallStack.open} and L{FirewallStack.close}.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.started()

    def test_open(self) -> None:
        """
        Each firewall opens, the innermost first: its timer ends what the others may fail to end.
        """
        self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
        self.assertEqual(
            [f"nftables: open {ANN} until 30", f"firewalld: open {ANN} until 30"], self.diary
        )

    def test_openWaits(self) -> None:
        """
        Each firewall is asked when the one before it has answered; the door is open after the last.
        """
        self.guard.holding = self.firewalld.holding = True
        opened = self.do(self.stack.open(makeOpening(ANN)))
        self.assertEqual(1, len(self.diary))
        self.guard.answer()
        self.assertNoResult(opened)
        self.firewalld.answer()
        self.successResultOf(opened)

    def test_guardRefuses(self) -> None:
        """If the innermost refuses, the others are not asked to open."""
        self.guard.failures = [NO]
        self.assertIs(NO, self.error(self.stack.open(makeOpening(ANN))))
        self.assertEqual([f"nftables: open {ANN} until 30"], self.diary)

    def test_otherRefuses(self) -> None:
        """
        If an outer one refuses, its error is raised; the innermost ends its part at the deadline.
        """
        self.firewalld.failures = [NO]
        self.assertIs(NO, self.error(self.stack.open(makeOpening(ANN))))
        self.assertEqual({ANN: 30.0}, self.guard.open_())
        self.clock.advance(30)
        self.assertEqual({}, self.guard.open_())

    def test_close(self) -> None:
        """Each firewall closes, the innermost first."""
        self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
        self.diary.clear()
        self.successResultOf(self.do(self.stack.close(makeOpening(ANN))))
        self.assertEqual([f"nftables: close {ANN}", f"firewalld: close {ANN}"], self.diary)

    def test_noPorts(self) -> None:
        """For a door without ports only the innermost is asked: the others have nothing to do."""
        opening = makeOpening(ANN)
        opening = replace(opening, door=replace(opening.door, ports=()))
        self.firewalld.holding = True
        self.successResultOf(self.do(self.stack.open(opening)))
        self.successResultOf(self.do(self.stack.close(opening)))
        self.assertEqual([f"nftables: open {ANN} until 30", f"nftables: close {ANN}"], self.diary)

    def test_closeGoesOn(self) -> None:
        """If one fails to close, even unexpectedly, the next closes all the same."""
        for error in (NO, RuntimeError("oops")):
            self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
            self.guard.failures = [error]
            self.assertIs(error, self.error(self.stack.close(makeOpening(ANN))))
            self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))

    def test_allRefuse(self) -> None:
        """If several fail, the first error is raised."""
        self.guard.failures, self.firewalld.failures = [NO], [NEITHER]
        self.assertIs(NO, self.error(self.stack.close(makeOpening(ANN))))
        self.assertEqual(([], []), (self.guard.failures, self.firewalld.failures))


class HealingTests(StackTestCase):
    """
    Healing what others have removed.
    """

    def setUp(self) -> None:
        """Start with an opening."""
        super().setUp()
        self.guard.before = [makeOpening(ANN)]
        self.started()

    def test_eachByItself(self) -> None:
        """What one firewall has lost is restored there, and the other is left alone."""
        self.firewalld.flush("firewalld was reloaded")
        self.clock.advance(0)
        self.assertEqual([f"firewalld: restore {ANN} until 30"], self.diary)
        self.assertEqual([1.0], self.onHealed)
        self.assertEqual(
            ["firewalld was reloaded: restored the rules of pkdoors in firewalld"],
            self.log.lines(LogLevel.warn),
        )

    def test_neverAnswers(self) -> None:
        """A firewall that never answers does not keep the other from being restored."""
        self.firewalld.holding = True
        self.firewalld.flush()
        self.clock.advance(1)
        self.guard.flush()
        self.clock.advance(0)
        self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))
        self.assertEqual([2.0], self.onHealed)

    def test_fails(self) -> None:
        """Nor does one that fails; it is tried again."""
        self.firewalld.failures = [NO]
        self.firewalld.flush()
        self.guard.flush()
        self.clock.advance(0)
        self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))
        self.clock.advance(1)
        self.assertEqual({ANN: 30.0}, self.firewalld.open_())

    def test_bugAfterwards(self) -> None:
        """A bug in what follows a restoration is logged, and does not end the healing."""

        def fail() -> None:
            raise RuntimeError("oops")

        self.guard = FakeFirewall(self.clock, "nftables")
        self.stack = FirewallStack(self.clock, [self.guard])
        self.stack.start(self.doors, lambda: self.wanted, fail)
        for _ in range(2):
            self.guard.flush()
            self.clock.advance(1)
            self.assertEqual({ANN: 30.0}, self.guard.open_())
            self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_stopDuringPause(self) -> None:
        """A loss soon after a restoration waits for the pause; a stop in it leaves no timer."""
        self.guard.flush()
        self.clock.advance(0)
        self.diary.clear()
        self.guard.flush()
        self.clock.advance(0.01)
        self.assertEqual([], self.diary)
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)


class ChangeTests(StackTestCase):
    """
    Tests of L{FirewallStack.change}.
    """

    def test_refused(self) -> None:
        """
        If a change fails, nobody knows how far it came: the earlier state is restored, and that is
        tried until it succeeds.
        """
        self.started()
        self.guard.failures = [NO, NEITHER]
        self.assertIs(NO, self.error(self.stack.change((makeDoor(name="web"),), [])))
        self.clock.advance(0)
        self.assertEqual(["keep web", "restore", "keep default", "restore"], self.of("nftables"))
        self.clock.advance(1)
        self.assertEqual("restore", self.of("nftables")[-1])
        self.assertEqual(self.doors, self.guard.guarded)

    def of(self, name: str) -> list[str]:
        """Return the calls of one firewall."""
        return [call.partition(": ")[2] for call in self.diary if call.startswith(f"{name}: ")]


class StopTests(StackTestCase):
    """
    Tests of L{FirewallStack.stop}.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.started()

    def test_closeInnermost(self) -> None:
        """L{FirewallStack.closeInnermost} closes in the innermost only, if there are others."""
        self.successResultOf(self.do(self.stack.closeInnermost(makeOpening())))
        self.assertEqual(["nftables: close 203.0.113.9"], self.diary)

    def test_endWhileOpening(self) -> None:
        """
        A request to close takes effect although an outer firewall hangs; later all are closed.
        """
        keeper = Doorkeeper(self.clock, self.stack, [makeDoor()], EventPublisher(lambda: 0.0))
        self.firewalld.holding = True
        keeper.request(Request(makeDoor(), "203.0.113.9", 0))
        self.assertEqual(["203.0.113.9"], list(self.guard.open_()))
        keeper.request(Request(makeDoor(), "203.0.113.9", 0, close=True))
        self.assertEqual({}, self.guard.open_())
        self.firewalld.holding = False
        self.firewalld.answer()
        self.assertEqual(({}, {}), (self.guard.open_(), self.firewalld.open_()))
        self.assertEqual([], keeper.openings())

    def test_stop(self) -> None:
        """Each firewall lets go, the innermost last."""
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)
        self.assertEqual([], self.log.lines())

    def test_healingEnds(self) -> None:
        """After the stop nothing is restored, not even what was to be tried again."""
        self.firewalld.failures = [NO]
        self.firewalld.flush()
        self.clock.advance(0)
        self.diary.clear()
        self.successResultOf(self.do(self.stack.stop()))
        self.guard.flush()
        self.clock.pump([1] * 60)
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)

    def test_fails(self) -> None:
        """If one fails, that is one line in the log, and the next lets go all the same."""
        self.firewalld.failures = [NO]
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual("nftables: stop", self.diary[-1])
        self.assertEqual(["cannot remove all rules: no"], self.log.lines(LogLevel.error))

    def test_unexpected(self) -> None:
        """A bug in one is logged with its traceback, and the next lets go all the same."""
        self.firewalld.failures = [RuntimeError("oops")]
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual("nftables: stop", self.diary[-1])
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_neverAnswers(self) -> None:
        """Each has its own seconds to answer; after them the stop goes on without it."""
        self.guard.holding = self.firewalld.holding = True
        stopped = self.do(self.stack.stop())
        self.clock.advance(STOP_TIMEOUT - 0.1)
        self.assertEqual(["firewalld: stop"], self.diary)
        self.clock.advance(0.1)
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)
        self.clock.advance(STOP_TIMEOUT - 0.1)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(
            [
                f"cannot remove all rules: {name} did not answer within 5s"
                for name in ("firewalld", "nftables")
            ],
            self.log.lines(LogLevel.error),
        )

    def test_nothingIsLeft(self) -> None:
        """If all answer, no timer is left."""
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())
