"""Runs a command of pkdoors that prints JSON."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from pkdoors.errors import AskError
from pkdoors.util.oneline import oneLine

MAX_OUTPUT = 1 << 22
"""Bytes of JSON: of a fleet with some ten thousand openings."""
MAX_ERRORS = 4096
"""Bytes of standard error that are kept."""
MAX_SENTENCE = 500
"""Letters of it that are shown."""
PATIENCE = 100.0
"""Seconds until the command is killed; the page waits a little longer."""


def readProgram(
    reactor: Any, program: Sequence[str], command: str, *options: str
) -> Deferred[bytes]:
    """
    Run a command of pkdoors, and return its JSON, whatever its exit status is.

    @param program: the words that start pkdoors.
    @raise AskError: it prints no JSON; what it says on standard error is the sentence.
    """
    reading, words = _Reading(reactor, command), (*program, *command.split(), *options)
    reactor.spawnProcess(reading, words[0], words, env=None, path="/")
    return reading.done


class _Reading(ProcessProtocol):
    """Collects what the program prints."""

    def __init__(self, reactor: Any, command: str) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._command = command
        self._output, self._errors = bytearray(), bytearray()
        self._kill = reactor.callLater(
            PATIENCE, self._end, f"no answer within {PATIENCE:g} seconds"
        )
        self._fault = ""

    def connectionMade(self) -> None:
        """See L{ProcessProtocol}."""
        self.transport.closeStdin()  # type: ignore[union-attr]

    def outReceived(self, data: bytes) -> None:
        """See L{ProcessProtocol}."""
        self._output += data
        if len(self._output) > MAX_OUTPUT:
            self._end("the answer is too long")

    def errReceived(self, data: bytes) -> None:
        """See L{ProcessProtocol}. The last line is the one that counts."""
        self._errors += data
        del self._errors[:-MAX_ERRORS]

    def processEnded(self, reason: Failure) -> None:
        """See L{ProcessProtocol}."""
        if self._kill.active():
            self._kill.cancel()
        if not self._fault and _isJSON(self._output):
            self.done.callback(bytes(self._output))
        else:
            self.done.errback(AskError(self._fault or self._explain()))

    def _end(self, fault: str) -> None:
        """Kill it, and let its output go, which a program that it has started may hold open."""
        transport: Any = self.transport
        self._fault = f"`pkdoors {self._command}`: {fault}: run it in a terminal"
        self._output.clear()
        with suppress(ProcessExitedAlready):
            transport.signalProcess("KILL")
        transport.loseConnection()

    def _explain(self) -> str:
        lines = self._errors.decode(errors="replace").strip().splitlines()
        shown = oneLine(lines[-1], MAX_SENTENCE) if lines else "no answer: run it in a terminal"
        return shown if lines else f"`pkdoors {self._command}`: {shown}"


def _isJSON(data: bytearray) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
