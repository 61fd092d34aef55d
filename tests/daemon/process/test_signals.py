"""Tests of L{pkdoors.daemon.process.signals}."""

import os
import signal
import subprocess
import sys

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.process import signals
from pkdoors.daemon.process.signals import handleHangup
from pkdoors.errors import PkdoorsError
from tests.fakes.reactor import FakeReactor


class HangupTests(SynchronousTestCase):
    """
    Tests of L{handleHangup}.
    """

    def setUp(self) -> None:
        """Make a reactor, and a terminal."""
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.reactor = FakeReactor()
        self.done: list[str] = []
        self.error: Exception | None = None
        self.patch(self.reactor, "stop", lambda: self.done.append("stop"))
        self.hasTerminal = True
        self.patch(signals, "_hasTerminal", lambda: self.hasTerminal)

    def heed(self, nodaemon: bool = True) -> None:
        """Begin to handle the signal."""
        handleHangup({"nodaemon": nodaemon}, self.reactor, self.reload)

    def reload(self) -> Deferred[None]:
        """Reload, or fail."""
        self.done.append("reload")
        return fail(self.error) if self.error else succeed(None)

    def hangUp(self) -> list[str]:
        """Send a SIGHUP; return what happens, in the reactor's next turn and not before."""
        self.done.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual([], self.done)
        self.reactor.advance(0)
        return list(self.done)

    def test_reload(self) -> None:
        """Each signal reloads."""
        self.heed(nodaemon=False)
        self.assertEqual(["reload"], self.hangUp())
        self.assertEqual(["reload"], self.hangUp())

    def test_refused(self) -> None:
        """A reload that is refused is in the log already, and not logged again."""
        self.error = PkdoorsError("it is wrong")
        self.heed(nodaemon=False)
        self.assertEqual(["reload"], self.hangUp())
        self.assertEqual([], self.flushLoggedErrors())

    def test_goesWrong(self) -> None:
        """A mistake of ours is logged, and ends nothing."""
        self.error = ValueError("oops")
        self.heed(nodaemon=False)
        self.assertEqual(["reload"], self.hangUp())
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_terminal(self) -> None:
        """
        In the foreground, the signal reloads while the terminal exists, and stops the daemon
        otherwise.
        """
        self.heed()
        self.assertEqual(["reload"], self.hangUp())
        self.hasTerminal = False
        self.assertEqual(["stop"], self.hangUp())

    def test_noTerminal(self) -> None:
        """If there never was a terminal, the signal reloads: a service manager starts it so."""
        self.hasTerminal = False
        self.heed()
        self.assertEqual(["reload"], self.hangUp())

    def test_nohup(self) -> None:
        """nohup(1) lets the daemon continue without a terminal."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.heed()
        self.hasTerminal = False
        self.assertEqual(["reload"], self.hangUp())


class InterruptTests(SynchronousTestCase):
    """
    Tests of L{handleInterrupt}, each in a process of its own.
    """

    def run_(self, script: str) -> tuple[int, str]:
        """Return exit status and output, both kinds, of a process that is interrupted."""
        done = subprocess.run(
            [sys.executable, "-c", _INTERRUPTED + script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    def test_before(self) -> None:
        """Before the reactor runs, the signals end the process at once, with one line."""
        for number, line in (
            (signal.SIGINT, "pkdoors: interrupted\n"),
            (signal.SIGTERM, "pkdoors: ended by SIGTERM\n"),
        ):
            script = f"handleInterrupt()\ntry: os.kill(os.getpid(), {int(number)})\n"
            script += "except BaseException: pass\nprint(1)"
            self.assertEqual((-number, line), self.run_(script))
            self.assertEqual((-number, line), self.run_(f"takeReactor()\n{script}"))

    def test_running(self) -> None:
        """While the reactor runs, the daemon stops in order."""
        status, output = self.run_("""
reactor = takeReactor()
handleInterrupt()
reactor.callLater(0, interrupt)
reactor.addSystemEventTrigger("before", "shutdown", print, "in order")
reactor.run()
print(reactor._exitSignal)
""")
        self.assertEqual((0, "in order\n2\n"), (status, output))

    def test_caught(self) -> None:
        """An interrupt that Twisted had caught ends the process when the log begins."""
        status, output = self.run_("""
from twisted.logger import globalLogBeginner
from twisted.python import log
try: interrupt()
except BaseException: log.err()
handleInterrupt()
print("before", flush=True)
globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False)
print("after", flush=True)
""")
        self.assertEqual(-signal.SIGINT, status)
        self.assertIn("before\n", output)
        self.assertNotIn("after\n", output)

    def test_otherErrors(self) -> None:
        """Other errors in the log do not end it."""
        status, output = self.run_("""
from twisted.logger import globalLogBeginner
from twisted.python import log
try: 1 // 0
except BaseException: log.err()
handleInterrupt()
globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False)
print("after", flush=True)
""")
        self.assertEqual(0, status)
        self.assertIn("after\n", output)

    def test_ignored(self) -> None:
        """
        If it is started with the signal ignored, as a shell's C{&} does, the signal stays ignored.
        """
        script = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nhandleInterrupt()\ninterrupt()"
        self.assertEqual((0, "1\n"), self.run_(f"{script}\nprint(1)"))


_INTERRUPTED = """
import os, signal
from pkdoors.daemon.process.setup import takeReactor
from pkdoors.daemon.process.signals import handleInterrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt(): os.kill(os.getpid(), signal.SIGINT)
"""
