"""Tests of L{pkdoors.daemon.hooks._process}."""

import errno
import signal
from subprocess import PIPE, Popen

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.hooks._process import KEPT, MAX_PRINTED, HookRun, signalGroup
from pkdoors.events.event import CLOSED, OPENED
from tests.daemon.hooks.case import TITLE, FakeProcess, HooksTestCase


class EndingTests(HooksTestCase):
    """
    The end of one run.
    """

    def test_silent(self) -> None:
        """A hook that succeeds logs nothing."""
        self.startOne().end()
        self.assertEqual([], self.log.lines())
        self.assertEqual([], self.system.getDelayedCalls())

    def test_said(self) -> None:
        """Its output is logged at level debug."""
        process = self.startOne()
        process.prints(b"sent\nand more")
        process.end()
        self.assertEqual([f"{TITLE} printed: sent"], self.log.lines(LogLevel.debug))
        self.assertEqual(["debug"], self.log.levels())

    def test_status(self) -> None:
        """A status other than 0 is a warning."""
        self.startOne().end(3)
        self.assertSays(f"{TITLE} ended with status 3")

    def test_signal(self) -> None:
        """A signal is a warning."""
        self.startOne().end(signalNumber=11)
        self.assertSays(f"{TITLE} was ended by signal 11")

    def test_firstLine(self) -> None:
        """The warning has the first line of its output, of its errors if there are any."""
        process = self.startOne()
        process.prints(b"working\n")
        process.prints(b"\n  no route\x1b[31m ", 2)
        process.prints(b"to host\nat all\n", 2)
        process.end(1)
        self.assertSays(f"{TITLE} ended with status 1: no route?[31m to host")

    def test_longLine(self) -> None:
        """The line has no more than fits, whatever the bytes are."""
        process = self.startOne()
        process.prints(b"\xff" + b"x" * 300)
        process.end(1)
        self.assertSays(f"{TITLE} ended with status 1: \ufffd" + "x" * 199)

    def test_kept(self) -> None:
        """The output takes no more memory than allowed, however much there is."""
        run = HookRun(Clock())
        run.transport = FakeProcess(run, ("x",), 1)
        for _ in range(100):
            run.childDataReceived(1, b"x" * 1000)
        self.assertEqual([KEPT, 0], [len(each) for each in run._output.values()])

    def test_endlessPrinter(self) -> None:
        """A hook that prints for ever is not read any more after a while, and fails."""
        process = self.startOne()
        printed = 0
        while 1 not in process.closed:
            self.assertLess(printed, MAX_PRINTED + 1000)
            process.prints(b"yes\n" * 250)
            printed += 1000
        process.end(signalNumber=signal.SIGPIPE)
        self.assertSays(f"{TITLE} printed more than 1000000 bytes: yes")

    def test_slow(self) -> None:
        """A hook that takes just not too long succeeds."""
        process = self.startOne()
        self.system.advance(9.9)
        process.end()
        self.assertEqual(([], []), (self.log.lines(), self.system.groups))

    def test_hangs(self) -> None:
        """A hook that takes longer gets SIGTERM, with its group, and SIGKILL 2 seconds later."""
        process = self.startOne()
        process.prints(b"waiting\n")
        self.system.advance(10)
        self.assertEqual([(1000, signal.SIGTERM, True)], self.system.groups)
        self.system.advance(1.9)
        self.assertEqual(1, len(self.system.groups))
        self.system.advance(0.1)
        self.assertEqual((1000, signal.SIGKILL, True), self.system.groups[-1])
        process.end(signalNumber=signal.SIGKILL)
        self.assertSays(f"{TITLE} did not end within 10s, and was killed: waiting")
        self.assertEqual([], self.system.getDelayedCalls())

    def test_leavesChildren(self) -> None:
        """If it ends when it is asked to, but its children do not, the children are killed."""
        process = self.startOne()
        self.system.advance(10)
        process.end(signalNumber=signal.SIGTERM)
        self.assertEqual((1000, signal.SIGKILL, False), self.system.groups[-1])

    def test_childrenHoldOutput(self) -> None:
        """A hook whose children go on printing has not ended; its status does not count then."""
        process = self.startOne()
        process.exit()
        self.system.advance(10)
        self.assertEqual([(1000, signal.SIGTERM, False)], self.system.groups)
        self.system.advance(2)
        self.assertEqual([0, 1, 2], process.closed[-3:])

    def test_noGroupYet(self) -> None:
        """A hook that does not lead a group yet gets the signal itself."""
        self.system.isEarly = True
        process = self.startOne()
        self.system.advance(10)
        self.system.advance(2)
        self.assertEqual([signal.SIGTERM, signal.SIGKILL], process.signals)
        process.end(signalNumber=signal.SIGKILL)

    def test_endedJustNow(self) -> None:
        """It is not an error if all are gone when they get the signal."""
        self.system.isEarly = True
        process = self.startOne()
        process.exit()
        self.system.advance(12)
        self.assertEqual([], process.signals)

    def test_cannotStart(self) -> None:
        """If no process can be started that is a warning, and the next one is tried."""
        self.system.error = errno.EAGAIN
        self.start(OPENED, CLOSED)
        self.assertEqual(2, len(self.log.lines(LogLevel.warn)))
        self.assertEqual(
            f"{TITLE} cannot be run: Resource temporarily unavailable", self.log.lines()[0]
        )
        self.system.error = 0
        self.startOne().end()


class SignalGroupTests(SynchronousTestCase):
    """
    Tests of L{signalGroup}.
    """

    def test_others(self) -> None:
        """A number is left alone if the group's leader is gone and a process has it."""
        child = Popen(["cat"], stdin=PIPE, start_new_session=True)
        signalGroup(child.pid, signal.SIGTERM, False)
        child.communicate()
        self.assertEqual(0, child.returncode)

    def test_led(self) -> None:
        """If the leader exists, the group gets the signal."""
        child = Popen(["cat"], stdin=PIPE, start_new_session=True)
        signalGroup(child.pid, signal.SIGTERM, True)
        self.assertEqual(-signal.SIGTERM, child.wait())
        child.communicate()

    def test_gone(self) -> None:
        """A group that is gone is an error, led or not."""
        for isLed in (False, True):
            self.assertRaises(ProcessLookupError, signalGroup, 2**22 + 1, 0, isLed)
