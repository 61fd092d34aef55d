"""Tests of L{pkdoors.web.channels._child}, with real programs."""

import os
import signal
import sys
from queue import Queue
from subprocess import TimeoutExpired
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from pkdoors.web.channels import _child
from pkdoors.web.channels._child import MAX_PIECES, PIECE, Child
from tests.web.channels.case import Collector

_PIECES = (b"\x1b]52;c;eA==\x07", b"\x1b[2J press \xe2", b"\x82\xac\r", b"\n\xff!\r")
_PROGRAM = f"""
import sys
for piece in {_PIECES!r}:
    sys.stderr.buffer.write(piece)
    sys.stderr.buffer.flush()
sys.exit(3)
"""


class BusyReactor:
    """
    A reactor that does not find the time for what threads want of it.

    @ivar wanted: what they want.
    """

    def __init__(self) -> None:
        self.wanted: Queue[Any] = Queue()

    def callFromThread(self, *call: Any) -> None:
        """See L{IReactorFromThreads}."""
        self.wanted.put(call)


class ChildTests(TestCase):
    """
    What another program says.
    """

    async def test_errors(self) -> None:
        """What it writes to standard error is passed on before its end is known."""
        from twisted.internet import reactor

        passed: list[str] = []
        self.patch(_child, "passOn", passed.append)
        child = Child(reactor, [sys.executable, "-c", _PROGRAM], Protocol())
        self.assertEqual(3, await child.ended)
        said = "\x1b]52;c;eA==\x07\x1b[2J press \u20ac\n\ufffd!\n"
        self.assertEqual(said, "".join(passed))

    async def test_leftOpen(self) -> None:
        """A process that it leaves behind, with its standard error, does not delay the end."""
        from twisted.internet import reactor

        passed: list[str] = []
        self.patch(_child, "passOn", passed.append)
        self.patch(_child, "LAST_WORDS", 5.0)  # until the number below is here
        leave = "s.Popen(['sleep', '300'], stdin=-3, stdout=-3).pid"
        program = f"import subprocess as s, sys; sys.stderr.write(str({leave}))"
        child = Child(reactor, [sys.executable, "-c", program], Protocol())
        self.assertEqual(0, await child.ended.addTimeout(120, reactor))
        os.kill(int("".join(passed)), signal.SIGKILL)

    def test_busy(self) -> None:
        """While the reactor is busy, the program waits, and its output fills no memory."""
        size = 4 * MAX_PIECES * PIECE  # much more than a pipe holds
        reactor, collector = BusyReactor(), Collector()
        program = f"import sys; sys.stdout.write('x' * {size})"
        child = Child(reactor, [sys.executable, "-c", program], collector)
        self.assertRaises(TimeoutExpired, child._process.wait, 1)
        self.assertLessEqual(reactor.wanted.qsize(), MAX_PIECES)
        while not child.ended.called:
            work, *arguments = reactor.wanted.get(timeout=60)
            work(*arguments)
        self.assertEqual(size, len(collector.read))
        self.assertEqual(0, self.successResultOf(child.ended))
