"""
Runs C{ssh-keygen} until it ends, somebody stops it, or its time is over. This blocks.

What it signs goes over its standard input: others see command lines. A passphrase or a PIN it asks
for at the terminal, by itself.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

from pkdoors.client.keys.passphrase import saveTerminal
from pkdoors.errors import KnockError
from pkdoors.util.durations import formatDuration

MAX_OUTPUT = 64 * 1024
"""The most bytes of its output. A signature has less than three thousand."""

_TURN = 0.1  # seconds between two looks at whether somebody stopped it
_GRACE = 2.0  # seconds in which it makes the terminal visible again before it is killed


class Ran(NamedTuple):
    """
    A run that is over.

    @ivar complaint: what it wrote to its standard error.
    """

    status: int
    output: bytes
    complaint: bytes


class KeygenRun:
    """
    One run.

    @param seconds: that it has.
    @param needsAgent: whether it asks the SSH agent; otherwise it does not, as we did so before.
    """

    def __init__(
        self, argv: Sequence[str], data: bytes, seconds: float, needsAgent: bool = False
    ) -> None:
        self._argv = argv
        self._data = data
        self._seconds = seconds
        self._needsAgent = needsAgent
        self._isStopped = False
        self._signal = 0  # that ends both programs
        self._process: Any = None

    def stop(self) -> None:
        """End it soon. Any thread can call this."""
        self._isStopped = True

    def __call__(self) -> Ran:
        """
        Run it.

        @raise KnockError: it cannot be started, takes too long, or writes too much.
        """
        with self._heedingSignals():
            return self._run()

    def _run(self) -> Ran:
        from threading import Thread

        restore = saveTerminal()
        process = self._start()
        pipes = [_Pipe(process.stdout), _Pipe(process.stderr)]
        readers = [Thread(target=pipe.read, daemon=True) for pipe in pipes]
        try:
            self._process = process
            if self._signal:
                self._interrupt()
            for reader in readers:
                reader.start()
            self._feed(process)
            self._wait(process, readers[0], pipes)
        except KeyboardInterrupt:
            _waitFor(process, _GRACE)  # it has the signal as well
            raise
        finally:
            if process.poll() is None:
                _end(process)
            if process.returncode:
                restore()
        for reader in readers:
            reader.join(_GRACE)  # a child of its own may hold the pipe open
        return Ran(process.returncode, *(bytes(pipe.data) for pipe in pipes))

    def _start(self) -> Any:
        from subprocess import PIPE, Popen

        try:
            return Popen(self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._makeEnv())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise KnockError(f"{self._argv[0]} cannot be started: {reason}") from error

    @contextmanager
    def _heedingSignals(self) -> Iterator[None]:
        """
        Let SIGTERM, and SIGINT if it interrupts, end both programs. Otherwise it ends this one
        alone, and ssh-keygen goes on asking at a terminal that hides what the user types. A signal
        that comes while ssh-keygen starts counts when it has started. In a thread, L{stop} ends
        ssh-keygen.
        """
        import signal
        from threading import current_thread, main_thread

        if current_thread() is not main_thread():
            yield
            return

        def end(number: int, frame: object) -> None:
            isFirst = not self._signal
            self._signal = self._signal or number
            if isFirst and self._process is not None:
                self._interrupt()

        interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ends = (signal.SIGTERM, signal.SIGINT) if interrupts else (signal.SIGTERM,)
        before = [(number, signal.signal(number, end)) for number in ends]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _interrupt(self) -> NoReturn:
        from signal import SIGINT

        if self._signal != SIGINT:  # the terminal sends that to both, and two can confuse it
            self._process.terminate()
        raise KeyboardInterrupt

    def _makeEnv(self) -> dict[str, str]:
        # The sequence is a secret, and it may start programs of its own.
        hidden = {"KNOCKER_SEQ"} if self._needsAgent else {"KNOCKER_SEQ", "SSH_AUTH_SOCK"}
        return {name: value for name, value in os.environ.items() if name not in hidden}

    def _feed(self, process: Any) -> None:
        """Give it the data, which fits into a pipe; whether it wants them, its status says."""
        try:
            process.stdin.write(self._data)
            process.stdin.close()
        except OSError:
            pass

    def _wait(self, process: Any, reader: Any, pipes: list["_Pipe"]) -> None:
        end = time.monotonic() + self._seconds
        while process.poll() is None:
            if self._isStopped:
                raise KnockError("interrupted")
            if time.monotonic() >= end:
                limit = formatDuration(self._seconds)
                raise KnockError(f"ssh-keygen did not sign within {limit}")
            if any(pipe.isTooLong for pipe in pipes):
                raise KnockError(f"ssh-keygen writes more than the {MAX_OUTPUT} bytes allowed")
            if reader.is_alive():
                reader.join(_TURN)
            else:
                time.sleep(0.001)  # it has closed its output, and is about to end


class _Pipe:
    """Reads what comes out of a pipe, up to a limit."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.data = bytearray()
        self.isTooLong = False

    def read(self) -> None:
        while chunk := self._pipe.read1(MAX_OUTPUT):
            if len(self.data) + len(chunk) > MAX_OUTPUT:
                self.isTooLong = True
                return
            self.data += chunk


def _end(process: Any) -> None:
    """End it, gently at first."""
    process.terminate()
    if not _waitFor(process, _GRACE):
        process.kill()
        process.wait()


def _waitFor(process: Any, seconds: float) -> bool:
    """Wait until it ends; return whether it does in that time."""
    from subprocess import TimeoutExpired

    try:
        process.wait(seconds)
    except TimeoutExpired:
        return False
    return True
