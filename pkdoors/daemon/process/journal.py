"""
The log of a daemon that systemd runs: priorities, and the fields of events, for C{journalctl}.

systemd-journald takes each event as a datagram, in the form that systemd.io describes in "Native
Journal Protocol". If that fails, the event goes to standard error, which the journal reads as well,
with a priority before each line; C{sd-daemon(3)}.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText
from zope.interface import implementer

from pkdoors.events.event import LOGGED

SOCKET = "/run/systemd/journal/socket"
"""Where systemd-journald listens."""
STREAM = "JOURNAL_STREAM"
"""The variable that names the connection of standard error with the journal; C{systemd.exec(5)}."""
STDERR = 2

PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 3,
}
"""Those of C{syslog(3)}."""


def isJournal(environment: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Return whether standard error goes to the journal."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get(STREAM) == f"{status.st_dev}:{status.st_ino}"


@implementer(ILogObserver)
class JournalObserver:
    """
    Sends each event to the journal. It never waits: an event for which the journal has no room goes
    to standard error.

    @param path: where the journal listens.
    @param write: C{write(2)}.
    """

    def __init__(self, path: str = SOCKET, write: Callable[[int, bytes], int] = os.write) -> None:
        self._path = path
        self._writeTo = write
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self, event: LogEvent) -> None:
        """See L{ILogObserver}."""
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if text:
            priority = PRIORITIES.get(event.get("log_level", LogLevel.info), 6)
            try:
                self._socket.sendto(_encode(_fields(event, text, priority)), self._path)
            except OSError:  # no journald, no room, or a text that is too long
                self._writeTo(STDERR, formatLines(text, priority))


def formatLines(text: str, priority: int) -> bytes:
    """Return a text with a priority before each of its lines."""
    return "".join(f"<{priority}>{line}\n" for line in text.split("\n")).encode("utf-8", "replace")


def _fields(event: LogEvent, text: str, priority: int) -> Iterator[tuple[str, str]]:
    yield "MESSAGE", text
    yield "PRIORITY", str(priority)
    yield "SYSLOG_IDENTIFIER", "pkdoors"
    yield "PKDOORS_LOGGER", str(event.get("log_namespace", ""))
    for name in LOGGED:
        value = event.get(name)
        if value not in (None, "", []):
            joined = ",".join(value) if isinstance(value, list) else str(value)
            yield f"PKDOORS_{name.upper()}", joined


def _encode(fields: Iterator[tuple[str, str]]) -> bytes:
    return b"".join(
        b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
        for name, value in fields
        for data in [value.encode("utf-8", "replace")]
    )
