"""Tests of how L{pkdoors.commands.watch} reads the keyboard, at a terminal that the test holds."""

import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands import watch
from tests.lab.terminal import discarding


class KeyboardTests(SynchronousTestCase):
    """Tests of the keys. C{tests.real.test_watch} tests the rest."""

    @contextmanager
    def terminal(self) -> Iterator[int]:
        """Make a terminal standard input, and return the user's end of it."""
        user, ours = pty.openpty()
        self.addCleanup(os.close, user)
        with open(ours) as stdin:
            self.patch(sys, "stdin", stdin)
            yield user

    def test_quit(self) -> None:
        """The key q quits, and no other."""
        with self.terminal() as user, watch._hideTyping():
            for keys, quits in (("", False), ("wx", False), ("q", True), ("wQ", True)):
                os.write(user, keys.encode())
                self.assertEqual(quits, watch._isQuit(1.0 if keys else 0.0))

    def test_discarded(self) -> None:
        """If Ctrl-C discards keys before they are read, reading returns at once."""
        with self.terminal() as user, watch._hideTyping():
            os.write(user, b"typed\r")
            with discarding(self, user):
                self.assertFalse(watch._isQuit(1.0))
