"""One run of a hook: a program that gets an event, and must end in time."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pkdoors.util.durations import formatDuration
from pkdoors.util.oneline import oneLine

TIME_LIMIT = 10.0
"""Seconds that a hook may take: it informs somebody, and need not wait for an answer."""
GRACE = 2.0
"""Seconds that a hook has to end after it was asked to."""
KEPT = 4096
"""Bytes of its output that are kept: the first line says what went wrong."""
MAX_PRINTED = 1_000_000
"""Bytes that it may print: to read more, only to discard it, is wasted work."""
_SHOWN = 200
"""Characters of its output in a line of the log."""


def signalGroup(group: int, number: int, isLed: bool) -> None:
    """
    Send a signal to all processes of a group.

    @param isLed: whether the process that gave the group its number still exists. If neither exists
        any more, the number may belong to somebody else by now.
    """
    if isLed or not os.path.exists(f"/proc/{group}"):
        os.killpg(group, number)


class HookRun(ProcessProtocol):
    """
    The program that runs. It must lead a session of its own, and so a process group: if it does not
    end by itself, whatever it started is killed with it.

    @param signalGroup: L{signalGroup}.
    @ivar ended: fires when it has ended, with what went wrong, as half a sentence; empty if nothing
        did.
    """

    transport: IProcessTransport

    def __init__(
        self, clock: IReactorTime, signalGroup: Callable[[int, int, bool], None] = signalGroup
    ) -> None:
        self.ended: Deferred[str] = Deferred()
        self._clock = clock
        self._signalGroup = signalGroup
        self._output = {1: b"", 2: b""}
        self._printed = 0
        self._trouble = ""
        self._isLate = False
        self._alarm: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Begin to measure its time."""
        self._group = self.transport.pid
        self.transport.closeStdin()
        self._alarm = self._clock.callLater(TIME_LIMIT, self._tooLong)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Keep the beginning of what it prints."""
        self._output[childFD] = (self._output[childFD] + data)[:KEPT]
        self._printed += len(data)
        if self._printed > MAX_PRINTED:
            self._trouble = f"printed more than {MAX_PRINTED} bytes"
            self.transport.loseConnection()  # it ends by SIGPIPE, or when its time is over

    def kill(self) -> None:
        """Kill it, and everything that it started."""
        self._signal(signal.SIGKILL)
        self.transport.loseConnection()  # a process that left its group may still hold the output

    def processEnded(self, reason: Failure) -> None:
        """Report how it ended. No process is left that could print here."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._isLate:
            self._signal(signal.SIGKILL)  # what it left behind
        self.ended.callback(self._verdict(reason.value))

    def firstLine(self) -> str:
        """Return the first line that it printed, of its errors if there are any."""
        text = (self._output[2].strip() or self._output[1].strip()).decode(errors="replace")
        return oneLine(text.partition("\n")[0].strip(), _SHOWN)

    def _tooLong(self) -> None:
        self._isLate = True
        self._trouble = (
            self._trouble or f"did not end within {formatDuration(TIME_LIMIT)}, and was killed"
        )
        self._signal(signal.SIGTERM)
        self._alarm = self._clock.callLater(GRACE, self.kill)

    def _signal(self, number: int) -> None:
        with suppress(OSError, ProcessExitedAlready):
            try:
                self._signalGroup(self._group, number, self.transport.pid is not None)
            except ProcessLookupError:  # it does not lead a group yet
                self.transport.signalProcess(number)

    def _verdict(self, error: BaseException | None) -> str:
        trouble = self._trouble
        if not trouble and isinstance(error, ProcessTerminated):
            signaled = f"was ended by signal {error.signal}"
            trouble = signaled if error.signal else f"ended with status {error.exitCode}"
        return ": ".join(filter(None, (trouble, trouble and self.firstLine())))
