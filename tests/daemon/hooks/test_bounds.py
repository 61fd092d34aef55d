"""Tests of L{pkdoors.daemon.hooks}: many hooks, and the stop."""

import errno
import signal

from twisted.internet.defer import Deferred

from pkdoors.daemon.hooks._process import HookRun
from pkdoors.daemon.hooks._waiting import MAX_WAITING
from pkdoors.daemon.hooks.runner import MAX_AT_ONCE, MAX_REFUSALS
from pkdoors.events.event import CLOSED, OPENED, REFUSED
from tests.daemon.hooks.case import CLOSE, OPEN, TITLE, HooksTestCase, event
from tests.fakes.doors import makeDoor


class BoundTests(HooksTestCase):
    """
    Many hooks at once.
    """

    def test_atOnce(self) -> None:
        """A limited number runs at the same time; the others wait in order."""
        self.start(*[OPENED] * 20, CLOSED)
        self.assertEqual(MAX_AT_ONCE, len(self.system.processes))
        for process in self.system.processes[:4]:
            process.end()
            self.turn()
            self.assertEqual(MAX_AT_ONCE, len(self.system.running()))
        self.system.processes[7].end(1)
        self.turn()
        self.assertEqual((CLOSE,), self.system.processes[-1].command)
        self.assertEqual(21, len(self.system.processes))

    def test_oneInATurn(self) -> None:
        """Each starts in a turn of its own, and none at once: knocks come in between."""
        for _ in range(3):
            self.hooks.hear(event())
        self.assertEqual([], self.system.processes)
        seen: list[int] = []
        self.system.callLater(0, lambda: seen.append(len(self.system.processes)))
        self.turn()
        self.assertEqual(([1], 3), (seen, len(self.system.processes)))

    def test_leftOut(self) -> None:
        """
        Those beyond the number that can wait are left out: one line with their number, a while
        later.
        """
        self.start(*[REFUSED] * MAX_REFUSALS)
        self.start(*[REFUSED] * (MAX_WAITING + 28))
        self.assertEqual([], self.log.lines())
        self.assertEqual(MAX_REFUSALS + 1, len(self.system.getDelayedCalls()))
        self.system.advance(9)
        self.start(REFUSED)
        self.system.advance(1)
        line = "hooks that were left out, because 256 were waiting already: "
        self.assertSays(line + "29")
        self.start(REFUSED)
        for process in self.system.running():
            process.end()
        self.system.advance(10)
        self.assertEqual(line + "1", self.log.lines()[-1])

    def test_refusals(self) -> None:
        """A flood of refusals whose hooks hang keeps back no hook of an opening or a closing."""
        for _ in range(10):
            self.start(*[REFUSED] * 100)
        self.assertEqual(MAX_REFUSALS, len(self.system.running()))
        opened, closed = self.start(OPENED, CLOSED)
        self.assertEqual(((OPEN, "a b"), (CLOSE,)), (opened.command, closed.command))
        self.start(*[OPENED] * MAX_AT_ONCE)
        self.assertEqual(MAX_AT_ONCE, len(self.system.running()))
        self.system.processes[0].end()
        self.turn()
        self.assertEqual((OPEN, "a b"), self.system.processes[-1].command)

    def test_otherDoor(self) -> None:
        """Very many openings of one door do not keep back the hook of another."""
        self.start(*[OPENED] * (MAX_AT_ONCE + MAX_WAITING + 10))
        other = makeDoor(name="wake", onOpen=("/bin/wake",))
        self.hooks.hear(event(door=other))
        for process in self.system.running()[:2]:
            process.end()
            self.turn()
        self.assertIn(("/bin/wake",), [each.command for each in self.system.processes[-2:]])

    def test_allAreRun(self) -> None:
        """Those that waited all run, and then it is as at first."""
        self.start(*[OPENED] * MAX_AT_ONCE)
        self.start(*[OPENED] * MAX_WAITING)
        while running := self.system.running():
            running[0].end()
            self.turn()
        self.assertEqual(MAX_AT_ONCE + MAX_WAITING, len(self.system.processes))
        self.assertEqual(([], []), (self.log.lines(), self.system.getDelayedCalls()))


class StoppingTests(HooksTestCase):
    """
    Tests of L{Hooks.stop}.
    """

    def stop(self) -> Deferred[None]:
        """Stop the hooks."""
        return self.hooks.stop()

    def test_idle(self) -> None:
        """If none runs, the stop is done at once."""
        self.startOne().end()
        self.successResultOf(self.stop())
        self.assertEqual([], self.system.getDelayedCalls())

    def test_noMore(self) -> None:
        """After the stop none starts."""
        self.successResultOf(self.stop())
        self.assertEqual([], self.start())

    def test_waits(self) -> None:
        """The stop waits for those that run, and those that wait for them."""
        self.start(*[CLOSED] * (MAX_AT_ONCE + 1))
        done = self.stop()
        for process in self.system.running():
            process.end()
        self.turn()
        self.assertNoResult(done)
        self.system.running()[0].end(3)
        self.successResultOf(done)
        self.assertEqual([], self.system.getDelayedCalls())
        self.assertEqual(["warn"], self.log.levels())

    def test_justHeard(self) -> None:
        """An event just before the stop still runs its hook."""
        self.hooks.hear(event())
        done = self.stop()
        self.turn()
        self.assertNoResult(done)
        self.system.processes[0].end()
        self.successResultOf(done)

    def test_cannotStart(self) -> None:
        """The stop does not wait for a hook that cannot run."""
        self.hooks.hear(event())
        self.system.error = errno.EAGAIN
        done = self.stop()
        self.turn()
        self.successResultOf(done)
        self.assertEqual([], self.system.getDelayedCalls())

    def test_notForEver(self) -> None:
        """After 3 seconds it kills those that run; those that wait are left out."""
        first, *_ = self.start(*[OPENED] * MAX_AT_ONCE, CLOSED)
        done = self.stop()
        self.system.advance(2.9)
        self.assertNoResult(done)
        self.system.advance(0.1)
        self.successResultOf(done)
        self.assertEqual({signal.SIGKILL}, {number for _, number, _ in self.system.groups})
        self.assertEqual(MAX_AT_ONCE, len(self.system.groups))
        ended = f"{TITLE} did not end before the daemon stopped, and was killed"
        left = f"on_close of door default for 192.0.2.7 ({CLOSE}) was left out, because the daemon "
        self.assertSays(*[ended] * MAX_AT_ONCE, left + "stops")
        first.end(signalNumber=signal.SIGKILL)
        assert isinstance(first._protocol, HookRun)
        self.successResultOf(first._protocol.ended)
        self.assertEqual(MAX_AT_ONCE + 1, len(self.log.lines()))

    def test_counts(self) -> None:
        """The number of hooks that were left out is still reported."""
        self.start(*[OPENED] * MAX_AT_ONCE)
        self.start(*[OPENED] * (MAX_WAITING + 5))
        self.stop()
        self.system.advance(3)
        self.assertTrue(self.log.lines()[-1].endswith("waiting already: 5"))
        self.system.advance(10)
        self.assertEqual(MAX_AT_ONCE + MAX_WAITING + 1, len(self.log.lines()))
