"""Tests of L{pkdoors.web.channels._child}, with real programs."""

import os
import signal
import sys

from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from pkdoors.web.channels import _child
from pkdoors.web.channels._child import Child

_PIECES = (b"\x1b]52;c;eA==\x07", b"\x1b[2J press \xe2", b"\x82\xac\r", b"\n\xff!\r")
_PROGRAM = f"""
import sys
for piece in {_PIECES!r}:
    sys.stderr.buffer.write(piece)
    sys.stderr.buffer.flush()
sys.exit(3)
"""


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
