"""Tests of L{pkdoors.client.keys.passphrase}, at a terminal that the test holds."""

import getpass
import os
import pty
import signal
import sys
import termios
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.keys.passphrase import Question, askPassphrase
from pkdoors.errors import KnockError
from tests.lab.terminal import discarding

PROMPT = "Passphrase: "


class TerminalTestCase(SynchronousTestCase):
    """A test in which C{/dev/tty} is a terminal of the test's own."""

    def setUp(self) -> None:
        """Open the terminal, and handle signals as a reactor does, which would end later."""
        self.user, self.tty = pty.openpty()
        for descriptor in (self.user, self.tty):
            self.addCleanup(os.close, descriptor)
        real = os.open
        self.patch(
            os,
            "open",
            lambda path, *rest, **more: (
                os.dup(self.tty) if path == "/dev/tty" else real(path, *rest, **more)
            ),
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.signal(number, self.handle))
        self.addCleanup(self.checkRestored)  # cleanups run in reverse order

    def handle(self, number: int, frame: object) -> None:
        """Handle a signal."""

    def checkRestored(self) -> None:
        """Assert that signals are handled as before, and that the terminal shows typing."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual(self.handle, signal.getsignal(number))
        self.assertTrue(self.isShown())

    def isShown(self) -> bool:
        """Return whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.tty)[3] & termios.ECHO)

    def answer(self, data: bytes, after: Callable[[], object] = bool) -> None:
        """
        Type something as soon as the question is there.

        @param after: called then.
        """

        def type_() -> None:
            seen = b""
            while PROMPT.encode() not in seen:
                seen += os.read(self.user, 1024)
            self.shown.append(self.isShown())
            os.write(self.user, data)
            after()

        self.shown: list[bool] = []
        thread = Thread(target=type_)
        thread.start()
        self.addCleanup(thread.join)


class TerminalTests(TerminalTestCase):
    """
    Tests of L{askPassphrase} and L{Question} with a terminal.
    """

    def test_answer(self) -> None:
        """The answer is returned as it was typed, and not shown."""
        self.answer("ä  b \n".encode())
        self.assertEqual("ä  b ".encode(), askPassphrase(PROMPT))
        self.assertEqual([False], self.shown)
        self.assertEqual(b"\r\n", os.read(self.user, 1024))

    def test_inPieces(self) -> None:
        """An answer that comes in pieces is one answer; what follows its line does not count."""
        self.answer(b"one\x04two\n")  # Ctrl-D after letters sends them as they are
        self.assertEqual(b"onetwo", askPassphrase(PROMPT))

    def test_gaveUp(self) -> None:
        """The end of the input ends the question."""
        self.answer(b"\x04")
        error = self.assertRaises(KnockError, askPassphrase, PROMPT)
        self.assertEqual("interrupted", str(error))

    def test_signals(self) -> None:
        """Ctrl-C and SIGTERM end it at once, with a running reactor, too."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self.answer(b"", partial(os.kill, os.getpid(), number))
            self.assertRaises(KeyboardInterrupt, askPassphrase, PROMPT)
            self.checkRestored()

    def test_stopped(self) -> None:
        """Another thread can end it."""
        question = Question(PROMPT)
        self.answer(b"half an answer", question.stop)
        error = self.assertRaises(KnockError, question)
        self.assertEqual("interrupted", str(error))

    def test_discarded(self) -> None:
        """If Ctrl-C discards a line before it is read, another thread can still end it."""
        question = Question(PROMPT)
        with discarding(self, self.user):
            self.answer(b"a line\n", question.stop)
            error = self.assertRaises(KnockError, question)
        self.assertEqual("interrupted", str(error))

    def test_inThread(self) -> None:
        """It asks in a thread, where signals cannot be handled."""
        found: list[bytes] = []
        self.answer(b"right\n")
        asker = Thread(target=lambda: found.append(askPassphrase(PROMPT)))
        asker.start()
        asker.join()
        self.assertEqual([b"right"], found)

    def test_prompt(self) -> None:
        """A name of a file in the prompt cannot control the terminal."""
        self.answer(b"x\n")
        askPassphrase(f"\x1b]0;title\x07{PROMPT}")
        # The prompt was read by the thread up to its end, so nothing is left but the newline.
        self.assertNotIn(b"\x1b", os.read(self.user, 1024))


class NoTerminalTests(SynchronousTestCase):
    """
    Tests of L{askPassphrase} without a terminal.
    """

    def test_none(self) -> None:
        """Nothing is read from elsewhere."""

        def fail(path: str, flags: int) -> int:
            raise OSError(6, "No such device or address")

        self.patch(os, "open", fail)
        self.patch(sys, "stdin", None)
        error = self.assertRaises(KnockError, askPassphrase, PROMPT)
        self.assertIn("there is no terminal to ask for its passphrase", str(error))

    def test_console(self) -> None:
        """A system without terminals has a console, if standard input is one."""
        self.addCleanup(sys.modules.__setitem__, "termios", termios)
        sys.modules["termios"] = None  # type: ignore[assignment]
        self.patch(getpass, "getpass", lambda prompt: f"{prompt}ä")
        for stdin in (None, Console(False)):
            self.patch(sys, "stdin", stdin)
            error = self.assertRaises(KnockError, askPassphrase, PROMPT)
            self.assertIn("there is no terminal to ask for its passphrase", str(error))
        self.patch(sys, "stdin", Console(True))
        self.assertEqual(f"{PROMPT}ä".encode(), askPassphrase(PROMPT))

        def giveUp(prompt: str) -> Any:
            raise EOFError

        self.patch(getpass, "getpass", giveUp)
        error = self.assertRaises(KnockError, askPassphrase, PROMPT)
        self.assertEqual("interrupted", str(error))


class Console:
    """Standard input, which may be a console."""

    def __init__(self, isConsole: bool) -> None:
        self._isConsole = isConsole

    def isatty(self) -> bool:
        """Return whether it is one."""
        return self._isConsole
