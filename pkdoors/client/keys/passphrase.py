"""Asks the user for a passphrase."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from pkdoors.errors import KnockError
from pkdoors.util.oneline import printable

NO_TERMINAL = (
    "the key is encrypted, and there is no terminal to ask for its passphrase: "
    "add it to the SSH agent with ssh-add"
)
_TURN = 0.1  # seconds between two looks at whether somebody stopped the question
_CHUNK = 1024  # bytes; a terminal gives one line at a time


class Question:
    """
    Asks for a passphrase on the terminal and nowhere else: standard input may be a connection. This
    blocks.
    """

    def __init__(self, prompt: str) -> None:
        self._prompt = printable(prompt)
        self._isStopped = False

    def stop(self) -> None:
        """End the question soon. Any thread can call this."""
        self._isStopped = True

    def __call__(self) -> bytes:
        """
        Ask.

        @raise KnockError: there is no terminal, or the user gave up.
        @raise KeyboardInterrupt: the user interrupted it, or a signal ended the client.
        """
        try:
            import termios  # noqa: F401
        except ImportError:
            return self._askConsole()
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise KnockError(NO_TERMINAL) from error
        with open(terminal, "r+b", buffering=0):
            return self._askTerminal(terminal)

    def _askConsole(self) -> bytes:
        """Ask where there are no terminals, but consoles: on Windows."""
        from getpass import getpass

        if sys.stdin is None or not sys.stdin.isatty():
            raise KnockError(NO_TERMINAL)
        try:
            return os.fsencode(getpass(self._prompt))
        except EOFError as error:
            raise KnockError("interrupted") from error

    def _askTerminal(self, terminal: int) -> bytes:
        from termios import ECHO, TCSAFLUSH, tcgetattr, tcsetattr

        before = _catchSignals()
        shown = tcgetattr(terminal)
        hidden = [*shown]
        hidden[3] &= ~ECHO  # the local modes
        try:
            tcsetattr(terminal, TCSAFLUSH, hidden)
            os.write(terminal, os.fsencode(self._prompt))
            os.set_blocking(terminal, False)
            return self._readLine(terminal)
        finally:
            os.set_blocking(terminal, True)
            tcsetattr(terminal, TCSAFLUSH, shown)
            os.write(terminal, b"\n")
            _restoreSignals(before)

    def _readLine(self, terminal: int) -> bytes:
        from select import select

        typed = b""
        while not typed.endswith(b"\n"):
            if self._isStopped:
                raise KnockError("interrupted")
            if not select([terminal], [], [], _TURN)[0]:
                continue
            with suppress(BlockingIOError):  # Ctrl-C discards a line, even if select has seen it
                chunk = os.read(terminal, _CHUNK)
                if not chunk:
                    raise KnockError("interrupted")
                typed += chunk
        return typed.removesuffix(b"\n")


class Terminal:
    """Asks for passphrases. Others ask in their own way, with any function."""

    def __call__(self, prompt: str) -> bytes:
        """
        Ask for a passphrase. Nothing else happens meanwhile.

        @raise KnockError: there is no terminal, or the user gave up.
        """
        return Question(prompt)()


askPassphrase = Terminal()


def hasTerminal() -> bool:
    """Return whether a program could ask the user something."""
    if os.name == "nt":
        return True
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def saveTerminal() -> Callable[[], None]:
    """Return what makes the terminal show typing as it does now, if a program has changed that."""
    try:
        import termios
    except ImportError:
        return _doNothing
    try:
        with open(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY), "rb", buffering=0) as terminal:
            before = termios.tcgetattr(terminal)
    except (OSError, termios.error):
        return _doNothing

    def restore() -> None:
        with (
            suppress(OSError, termios.error),  # it may be gone by now
            open(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY), "rb", buffering=0) as terminal,
        ):
            if termios.tcgetattr(terminal) != before:
                termios.tcsetattr(terminal, termios.TCSANOW, before)

    return restore


def _doNothing() -> None:
    """There is no terminal to restore."""


def _catchSignals() -> list[tuple[int, object]]:
    """
    Let signals interrupt the question, so that the terminal shows again what is typed. In a thread,
    L{Question.stop} does that.

    @return: how they were handled before.
    """
    import signal
    from threading import current_thread, main_thread

    if current_thread() is not main_thread():
        return []
    ends = (signal.SIGINT, signal.SIGTERM)
    return [(number, signal.signal(number, signal.default_int_handler)) for number in ends]


def _restoreSignals(before: list[tuple[int, object]]) -> None:
    if before:
        import signal

        for number, handler in before:
            signal.signal(number, handler)  # type: ignore[arg-type]
