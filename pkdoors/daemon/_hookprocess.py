"""One run of a hook: a program that is told of an event, and has to end in time."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pkdoors.util.oneline import oneLine

TIME_LIMIT = 10.0
"""Seconds that a hook may take: it tells somebody, and has not to wait for an answer."""
GRACE = 2.0
"""Seconds that one which is asked to end has for it."""
KEPT = 4096
"""Bytes of its output that are kept: what went wrong is in the first line."""
MAX_PRINTED = 1_000_000
"""Bytes that it may print: to read more, and throw it away, is work for nothing."""
_SHOWN = 200
"""Characters of its output in a line of the log."""


def signalGroup(group: int, number: int, isLed: bool) -> None:
    """
    Send a signal to all of a process group.

    @param isLed: whether the process is there that gave it its number. Where it is not, and the
        group neither, the number may be that of somebody else by now.
    """
    if isLed or not os.path.exists(f"/proc/{group}"):
        os.killpg(group, number)


class HookRun(ProcessProtocol):
    """
    The program's end of it. It has to lead a session, and so a group, of its own: what it started
    ends with it where it does not end by itself.

    @param signalGroup: L{signalGroup}.
    @ivar ended: fires when it has ended, with what went wrong, as half a sentence; empty for
        nothing.
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
        """It was started."""
        self._group = self.transport.pid
        self.transport.closeStdin()
        self._alarm = self._clock.callLater(TIME_LIMIT, self._tooLong)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It prints."""
        self._output[childFD] = (self._output[childFD] + data)[:KEPT]
        self._printed += len(data)
        if self._printed > MAX_PRINTED:
            self._trouble = f"printed more than {MAX_PRINTED} bytes"
            self.transport.loseConnection()  # it ends by SIGPIPE, or when its time is over

    def kill(self) -> None:
        """End it at once, and all that it started."""
        self._signal(signal.SIGKILL)
        self.transport.loseConnection()  # what left its group may still hold the output

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and everybody else who could print here."""
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        if self._isLate:
            self._signal(signal.SIGKILL)  # what it left behind
        self.ended.callback(self._verdict(reason.value))

    def said(self) -> str:
        """The first line of what it printed, rather of its errors."""
        text = (self._output[2].strip() or self._output[1].strip()).decode(errors="replace")
        return oneLine(text.partition("\n")[0].strip(), _SHOWN)

    def _tooLong(self) -> None:
        self._isLate = True
        self._trouble = self._trouble or f"was not done after {TIME_LIMIT:g} s, and was ended"
        self._signal(signal.SIGTERM)
        self._alarm = self._clock.callLater(GRACE, self.kill)

    def _signal(self, number: int) -> None:
        with suppress(OSError, ProcessExitedAlready):
            try:
                self._signalGroup(self._group, number, self.transport.pid is not None)
            except ProcessLookupError:  # it leads no group yet
                self.transport.signalProcess(number)

    def _verdict(self, error: BaseException | None) -> str:
        how = self._trouble
        if not how and isinstance(error, ProcessTerminated):
            signaled = f"was ended by signal {error.signal}"
            how = signaled if error.signal else f"ended with status {error.exitCode}"
        return ": ".join(filter(None, (how, how and self.said())))
