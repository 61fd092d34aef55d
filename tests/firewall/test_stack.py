"""Tests of L{pkdoors.firewall.stack}."""

from collections.abc import Coroutine
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


class WallsTestCase(SynchronousTestCase):
    """
    With the two firewalls of a host that has firewalld, which does not know what is open.
    """

    def setUp(self) -> None:
        """Have them."""
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
        """Start; what is open becomes what is wanted."""
        self.wanted = self.stack.start(
            self.doors, lambda: self.wanted, lambda: self.onHealed.append(self.clock.seconds())
        )
        return self.wanted

    def started(self) -> None:
        """Start, and forget how."""
        self.start()
        self.clock.pump([0, 1])
        self.diary.clear()
        self.onHealed.clear()

    def do(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Begin work."""
        return Deferred.fromCoroutine(work)

    def error(self, work: Coroutine[Any, Any, None]) -> Exception:
        """What work fails with."""
        error = self.failureResultOf(self.do(work)).value
        assert isinstance(error, Exception)
        return error


class StartTests(WallsTestCase):
    """
    Tests of L{FirewallStack.prepare} and L{FirewallStack.start}.
    """

    def test_name(self) -> None:
        """All are named."""
        self.assertEqual("nftables and firewalld", self.stack.name)
        self.assertEqual("nftables", FirewallStack(self.clock, [self.guard]).name)

    def test_prepare(self) -> None:
        """All are asked whether they will do, and nothing else."""
        self.stack.prepare(self.doors)
        self.clock.advance(1)
        self.assertEqual(["nftables: prepare", "firewalld: prepare"], self.diary)

    def test_prepareFails(self) -> None:
        """Where one will not, that is raised."""
        for firewall in (self.guard, self.firewalld):
            firewall.failures = [NO]
            self.assertIs(NO, self.assertRaises(FirewallError, self.stack.prepare, self.doors))

    def test_start(self) -> None:
        """The innermost is first: one that hangs keeps nobody from closing the ports."""
        self.start()
        self.assertEqual(["nftables: start", "firewalld: start"], self.diary)

    def test_startFails(self) -> None:
        """Where those before it refuse, it is closed all the same."""
        self.firewalld.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.start))
        self.assertEqual(self.doors, self.guard.guarded)

    def test_innermostRefuses(self) -> None:
        """Where the innermost refuses, the others are not asked."""
        self.guard.failures = [NO]
        self.assertIs(NO, self.assertRaises(FirewallError, self.start))
        self.assertEqual(["nftables: start"], self.diary)

    def test_found(self) -> None:
        """What is open already is what any of them knows."""
        ann, bob = makeOpening(ANN), makeOpening("2001:db8::7")
        self.guard.before = [ann]
        self.assertEqual([ann], self.start())
        self.guard, self.firewalld = (FakeFirewall(self.clock) for _ in range(2))
        self.guard.before, self.firewalld.before = [ann], [bob]
        self.stack = FirewallStack(self.clock, [self.guard, self.firewalld])
        self.assertCountEqual([ann, bob], self.start())

    def test_forgetful(self) -> None:
        """Who does not know what is open is told soon by those that do, who are left alone."""
        self.guard.before = [makeOpening(ANN)]
        self.start()
        self.diary.clear()
        self.clock.advance(0)
        self.assertEqual([f"firewalld: restore {ANN} until 30"], self.diary)
        self.clock.advance(60)
        self.assertEqual(1, len(self.diary))

    def test_forgetfulIsQuiet(self) -> None:
        """That is no healing, and so not worth a line."""
        self.start()
        self.clock.advance(1)
        self.assertEqual((2 + 1, []), (len(self.diary), self.log.lines()))


class OpeningTests(WallsTestCase):
    """
    Tests of L{FirewallStack.open} and L{FirewallStack.close}.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.started()

    def test_open(self) -> None:
        """Each opens, the innermost first: its timer ends what the others may not end."""
        self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
        self.assertEqual(
            [f"nftables: open {ANN} until 30", f"firewalld: open {ANN} until 30"], self.diary
        )

    def test_openWaits(self) -> None:
        """One is asked when the one before has answered, and it is open when all have."""
        self.guard.holding = self.firewalld.holding = True
        opened = self.do(self.stack.open(makeOpening(ANN)))
        self.assertEqual(1, len(self.diary))
        self.guard.answer()
        self.assertNoResult(opened)
        self.firewalld.answer()
        self.successResultOf(opened)

    def test_guardRefuses(self) -> None:
        """Where the innermost refuses, the others are not opened."""
        self.guard.failures = [NO]
        self.assertIs(NO, self.error(self.stack.open(makeOpening(ANN))))
        self.assertEqual([f"nftables: open {ANN} until 30"], self.diary)

    def test_otherRefuses(self) -> None:
        """Where another refuses, that is raised; the innermost ends its part at the deadline."""
        self.firewalld.failures = [NO]
        self.assertIs(NO, self.error(self.stack.open(makeOpening(ANN))))
        self.assertEqual({ANN: 30.0}, self.guard.open_())
        self.clock.advance(30)
        self.assertEqual({}, self.guard.open_())

    def test_close(self) -> None:
        """Each closes, the innermost first."""
        self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
        self.diary.clear()
        self.successResultOf(self.do(self.stack.close(makeOpening(ANN))))
        self.assertEqual([f"nftables: close {ANN}", f"firewalld: close {ANN}"], self.diary)

    def test_closeGoesOn(self) -> None:
        """Where one refuses to close, even unexpectedly, the next closes all the same."""
        for error in (NO, RuntimeError("oops")):
            self.successResultOf(self.do(self.stack.open(makeOpening(ANN))))
            self.guard.failures = [error]
            self.assertIs(error, self.error(self.stack.close(makeOpening(ANN))))
            self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))

    def test_allRefuse(self) -> None:
        """Where several do, the first error is raised."""
        self.guard.failures, self.firewalld.failures = [NO], [NEITHER]
        self.assertIs(NO, self.error(self.stack.close(makeOpening(ANN))))
        self.assertEqual(([], []), (self.guard.failures, self.firewalld.failures))


class HealingTests(WallsTestCase):
    """
    What others take away.
    """

    def setUp(self) -> None:
        """Start, with an opening."""
        super().setUp()
        self.guard.before = [makeOpening(ANN)]
        self.started()

    def test_eachByItself(self) -> None:
        """What one has lost is put back there, and the other is left alone."""
        self.firewalld.flush("firewalld was reloaded")
        self.clock.advance(0)
        self.assertEqual([f"firewalld: restore {ANN} until 30"], self.diary)
        self.assertEqual([1.0], self.onHealed)
        self.assertEqual(
            ["firewalld was reloaded: restored the rules of pkdoors in firewalld"],
            self.log.lines(LogLevel.warn),
        )

    def test_neverAnswers(self) -> None:
        """One that never answers keeps nobody from putting back what the other has lost."""
        self.firewalld.holding = True
        self.firewalld.flush()
        self.clock.advance(1)
        self.guard.flush()
        self.clock.advance(0)
        self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))
        self.assertEqual([2.0], self.onHealed)

    def test_fails(self) -> None:
        """Nor does one where it fails, which is tried again."""
        self.firewalld.failures = [NO]
        self.firewalld.flush()
        self.guard.flush()
        self.clock.advance(0)
        self.assertEqual(({ANN: 30.0}, {}), (self.guard.open_(), self.firewalld.open_()))
        self.clock.advance(1)
        self.assertEqual({ANN: 30.0}, self.firewalld.open_())


class ChangeTests(WallsTestCase):
    """
    Tests of L{FirewallStack.change}.
    """

    def test_refused(self) -> None:
        """
        Nobody knows how far a change came that fails: what there was is put back, again and again
        until that succeeds.
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
        """What was asked of a firewall."""
        return [each.partition(": ")[2] for each in self.diary if each.startswith(f"{name}: ")]


class StopTests(WallsTestCase):
    """
    Tests of L{FirewallStack.stop}.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.started()

    def test_shut(self) -> None:
        """Shutting closes the innermost only, where there are others."""
        self.successResultOf(self.do(self.stack.closeInnermost(makeOpening())))
        self.assertEqual(["nftables: close 203.0.113.9"], self.diary)

    def test_endWhileOpening(self) -> None:
        """A request to close is heeded though an outer one hangs; later all is closed."""
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
        """Each lets go, the innermost last."""
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)
        self.assertEqual([], self.log.lines())

    def test_healingEnds(self) -> None:
        """Afterwards nothing is put back, also not what was to be tried again."""
        self.firewalld.failures = [NO]
        self.firewalld.flush()
        self.clock.advance(0)
        self.diary.clear()
        self.successResultOf(self.do(self.stack.stop()))
        self.guard.flush()
        self.clock.pump([1] * 60)
        self.assertEqual(["firewalld: stop", "nftables: stop"], self.diary)

    def test_fails(self) -> None:
        """Where one fails that is one line, and the next lets go all the same."""
        self.firewalld.failures = [NO]
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual("nftables: stop", self.diary[-1])
        self.assertEqual(["cannot remove all rules: no"], self.log.lines(LogLevel.error))

    def test_unexpected(self) -> None:
        """A mistake in one is logged with its traceback, and the next lets go all the same."""
        self.firewalld.failures = [RuntimeError("oops")]
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual("nftables: stop", self.diary[-1])
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_neverAnswers(self) -> None:
        """Each has its own seconds to answer, then it goes on without."""
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
                f"cannot remove all rules: {name} did not answer within 5 s"
                for name in ("firewalld", "nftables")
            ],
            self.log.lines(LogLevel.error),
        )

    def test_nothingIsLeft(self) -> None:
        """No timer is left where they answer."""
        self.successResultOf(self.do(self.stack.stop()))
        self.assertEqual([], self.clock.getDelayedCalls())
