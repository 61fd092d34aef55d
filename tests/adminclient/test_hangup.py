"""Tests of L{pkdoors.adminclient.hangup}."""

import os
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.hangup import hangUp
from pkdoors.errors import AskError, NoDaemon
from pkdoors.host.instance import Instance

GOOD = "admin = 'off'\n[doors.ssh]\nsequence = [17001, 17203, 17005, 17404, 17002]\nports = [22]\n"


class HangUpTests(SynchronousTestCase):
    """Tests of L{hangUp}; this process is the daemon."""

    def setUp(self) -> None:
        """Make a file, and be the daemon."""
        self.file = Path(self.mktemp()).absolute()
        self.file.touch(0o600)
        self.file.write_text(GOOD)
        self.instance = Instance(Path(self.mktemp()).absolute())
        self.sent: list[tuple[int, int]] = []
        self.error: OSError | None = None
        self.patch(os, "kill", self.kill)

    def kill(self, process: int, number: int) -> None:
        """Note a signal."""
        if self.error:
            raise self.error
        self.sent.append((process, number))

    def take(self) -> None:
        """Be the daemon."""
        self.instance.take()
        self.addCleanup(self.instance.give)

    def test_sent(self) -> None:
        """The daemon gets the signal."""
        self.take()
        self.assertEqual(os.getpid(), hangUp(str(self.file), self.instance))
        self.assertEqual([(os.getpid(), signal.SIGHUP)], self.sent)

    def test_noDaemon(self) -> None:
        """Without a daemon there is nothing to send it to."""
        self.assertRaises(NoDaemon, hangUp, str(self.file), self.instance)

    def test_wrongFile(self) -> None:
        """A wrong file is reported here, where somebody sees it; the daemon hears nothing."""
        self.take()
        self.file.write_text(GOOD + "port = 1\n")
        error = self.assertRaises(AskError, hangUp, str(self.file), self.instance)
        self.assertIn("doors.ssh: unknown key 'port'", str(error))
        self.assertEqual([], self.sent)

    def test_notAllowed(self) -> None:
        """A user who may not send it reads what to do."""
        self.take()
        self.error = PermissionError(1, "Operation not permitted")
        error = self.assertRaises(AskError, hangUp, str(self.file), self.instance)
        self.assertIn("Operation not permitted: run this as root", str(error))
