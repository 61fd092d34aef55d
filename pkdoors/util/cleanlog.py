"""Clean the daemon's log of everything that controls a terminal or a pager."""

import re

from twisted.logger import ILogObserver, LogEvent, LogPublisher, formatEvent
from zope.interface import provider

from pkdoors.util.oneline import printable
from pkdoors.util.quoting import hidePorts

_PLACE = re.compile(r'\s*File ".*", line [0-9]+|\s*.*\.py:[0-9]+')
OURS = "pkdoors"
"""The prefix of our own namespaces in the log. Each of our events is one line."""


def cleanLog(publisher: LogPublisher) -> None:
    """
    Clean all log events before they are written anywhere, Twisted's events and tracebacks included.
    Call this before logging begins: observers are called in the order in which they were added.
    """
    publisher.removeObserver(cleanEvent)  # never clean twice
    publisher.addObserver(cleanEvent)


@provider(ILogObserver)
def cleanEvent(event: LogEvent) -> None:
    """
    Clean an event's text, if necessary. Its other fields stay as they are: JSON, the only format
    that has them, escapes them.
    """
    kept = "\t" if str(event.get("log_namespace", "")).startswith(OURS) else "\n\t"
    text = formatEvent(event)
    clean = printable(text, kept)
    if clean != text:
        event["log_format"] = "{log_clean}"
        event["log_clean"] = clean
    failure = event.get("log_failure")
    if failure is not None:
        traceback = _cleanTraceback(failure.getTraceback())
        failure.getTraceback = lambda *arguments, **options: traceback


def _cleanTraceback(text: str) -> str:
    """
    Return a traceback without the values that an unforeseen error quotes: the missing key of a
    C{KeyError}, for example, may be a port of a sequence, and others may read the log.
    """
    lines = printable(text, "\n\t").split("\n")
    return "\n".join(line if _PLACE.match(line) else hidePorts(line) for line in lines)
