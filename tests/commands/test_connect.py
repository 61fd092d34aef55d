"""Tests of L{pkdoors.commands.connect}."""

import signal

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.commands.connect import letSignalEnd
from tests.test_cli import HOST, SEQ, CommandTestCase


class ConnectTests(CommandTestCase):
    """C{pkdoors connect}, if no connection is made."""

    def setUp(self) -> None:
        """Leave the signals of this process as they are."""
        super().setUp()
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))

    def test_notOpen(self) -> None:
        """A door that does not open is status 1 and a sentence, and nothing on standard output."""
        end = self.run_("connect", HOST, "22", "-m", SEQ, "--tries", "1")
        self.assertEqual((1, "", 1), (end.status, end.stdout, end.stderr.count("\n")))
        self.assertTrue(end.stderr.startswith("pkdoors connect: 22/tcp of 192.0.2.1 did not"))
        self.assertEqual(5, len(self.reactor.sent))

    def test_wrongUsage(self) -> None:
        """A wrong or missing port is one line and status 2."""
        for arguments, part in (
            ((HOST, "ssh", "-m", SEQ), "argument PORT: 'ssh' is not a port"),
            ((HOST, "-m", SEQ), "PORT"),
            ((HOST, "22"), "KNOCKER_SEQ"),
        ):
            end = self.run_("connect", *arguments)
            self.assertEqual((2, "", 1), (end.status, end.stdout, end.stderr.count("\n")))
            self.assertIn(part, end.stderr)

    def test_help(self) -> None:
        """Its help names the options of knocking and waiting."""
        end = self.run_("connect", "--help")
        for word in ("HOST [PORT]", "--magic-seq", "--open-for", "--timeout", "--tries"):
            self.assertIn(word, end.stdout)


class ProcessTests(SynchronousTestCase):
    """
    Tests of L{letSignalEnd}.
    """

    def test_dieOf(self) -> None:
        """A signal ends the process, unless it was ignored."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        for before, after in (
            (signal.default_int_handler, signal.SIG_DFL),
            (signal.SIG_IGN, signal.SIG_IGN),
        ):
            signal.signal(signal.SIGUSR1, before)
            letSignalEnd(signal.SIGUSR1)
            self.assertEqual(after, signal.getsignal(signal.SIGUSR1))
