"""Tests of L{pkdoors.daemon.process}."""

import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon import process
from pkdoors.daemon.process import FEW, OLD_EVERY, SELDOM, Memory, handleHangup
from pkdoors.errors import PkdoorsError
from tests.fakes.reactor import FakeReactor


class SetUpTests(SynchronousTestCase):
    """Tests of L{setUpProcess}."""

    def test_switch(self) -> None:
        """A thread that has long work gives the reactor its turns sooner than Python would."""
        script = "from pkdoors.daemon.process import *; setUpProcess(); "
        script += "print(sys.getswitchinterval())"
        command = [sys.executable, "-c", script]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertLessEqual(float(printed), 0.001)


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
        self.patch(process, "_hasTerminal", lambda: self.hasTerminal)

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
        """Before the reactor runs, the signal ends the process at once, without a traceback."""
        script = "handleInterrupt()\ntry: interrupt()\nexcept BaseException: pass\nprint(1)"
        self.assertEqual((-signal.SIGINT, ""), self.run_(script))
        self.assertEqual((-signal.SIGINT, ""), self.run_(f"takeReactor()\n{script}"))

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
from pkdoors.daemon.process import handleInterrupt, takeReactor
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt(): os.kill(os.getpid(), signal.SIGINT)
"""


class FakeCollector:
    """
    Python's garbage collector.

    @ivar done: what it was told to do.
    @ivar frozen: how many objects it looks at no more.
    """

    def __init__(self) -> None:
        self.done: list[object] = []
        self.callbacks: list[Callable[[str, dict[str, int]], None]] = []
        self.frozen = 0

    def freeze(self) -> None:
        """Look no more at the present objects."""
        self.done.append("freeze")

    def unfreeze(self) -> None:
        """Look at all of them again."""
        self.done.append("unfreeze")

    def set_threshold(self, *counts: int) -> None:
        """Set how often it collects."""
        self.done.append(counts)

    def get_freeze_count(self) -> int:
        """Return how many objects it looks at no more."""
        return self.frozen

    def collect(self, generation: int) -> list[object]:
        """Collect; return what it was told meanwhile."""
        self.done.clear()
        for phase in ("start", "stop"):
            for call in self.callbacks:
                call(phase, {"generation": generation})
        return self.done


class MemoryTests(SynchronousTestCase):
    """
    Tests of L{Memory}.
    """

    def setUp(self) -> None:
        """Replace the collector."""
        self.clock = Clock()
        self.collector = FakeCollector()
        self.done = self.collector.done
        self.memory = Memory(self.clock.seconds, self.collector)

    def test_ready(self) -> None:
        """
        When everything is loaded, and not before, the collector ignores it, and unused memory is
        returned.
        """
        trim = SimpleNamespace(malloc_trim=lambda left: self.done.append(f"trim {left}"))
        self.patch(process, "_libc", trim)
        self.memory.prepare()
        self.memory.start()
        self.assertEqual([], self.done)
        self.memory.ready()
        self.successResultOf(self.memory.stop())
        self.assertEqual(["freeze", (700, 10, OLD_EVERY), "trim 0"], self.done)

    def test_others(self) -> None:
        """A C library that cannot return memory is not a trouble."""
        self.patch(process, "_libc", SimpleNamespace())
        self.memory.ready()
        self.assertEqual(["freeze", (700, 10, OLD_EVERY)], self.done)

    def test_once(self) -> None:
        """The collector looks at an old object only once, and always at young ones."""
        self.memory.ready()
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.assertEqual([], self.collector.collect(1))
        self.assertEqual([], self.collector.collect(0))

    def test_whole(self) -> None:
        """Once an hour it looks at all objects, if they are few, or twice as many as before."""
        self.collector.frozen = FEW
        self.memory.ready()
        self.clock.advance(SELDOM)
        self.assertEqual(["unfreeze", "freeze"], self.collector.collect(2))
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.collector.frozen = 2 * FEW - 1
        self.clock.advance(SELDOM)
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.collector.frozen = 2 * FEW
        self.assertEqual(["freeze"], self.collector.collect(2))
        self.clock.advance(SELDOM)
        self.assertEqual(["unfreeze", "freeze"], self.collector.collect(2))

    def test_stop(self) -> None:
        """A daemon that stops leaves the collector alone, also if it was never ready."""
        self.successResultOf(self.memory.stop())
        self.memory.ready()
        self.successResultOf(self.memory.stop())
        self.assertEqual([], self.collector.collect(2))


class CollectorTests(SynchronousTestCase):
    """
    Tests of L{Memory} with Python's own collector.
    """

    def setUp(self) -> None:
        """Let it know nothing but what a test makes."""
        before = gc.get_threshold()
        self.addCleanup(lambda: gc.set_threshold(*before))
        self.addCleanup(gc.unfreeze)
        self.patch(process, "_libc", SimpleNamespace())
        self.memory = Memory()
        self.memory.ready()
        self.addCleanup(self.memory.stop)

    def test_looksOnce(self) -> None:
        """However many objects there are, a collection looks only at those since the last one."""
        kept = [[number] for number in range(50_000)]
        gc.collect()
        self.assertLess(len(gc.get_objects()), len(kept) // 10)
        frozen = gc.get_freeze_count()
        kept.clear()
        self.assertLess(gc.get_freeze_count(), frozen - 40_000)

    def test_circles(self) -> None:
        """Young circles are freed."""
        circles: list[weakref.ref[Circle]] = []
        for _ in range(1000):
            circle = Circle()
            circle.itself = circle
            circles.append(weakref.ref(circle))
        del circle
        gc.collect()
        self.assertEqual(set(), {each() for each in circles} - {None})


class Circle:
    """Something that refers to itself."""

    itself: object
