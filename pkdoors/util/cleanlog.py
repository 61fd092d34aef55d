"""Nothing in the daemon's log steers the terminal or the pager in which somebody reads it."""

import re

from twisted.logger import ILogObserver, LogEvent, LogPublisher, formatEvent
from zope.interface import provider

from pkdoors.util.oneline import printable
from pkdoors.util.quoting import withoutPorts

_PLACE = re.compile(r'\s*File ".*", line [0-9]+|\s*.*\.py:[0-9]+')
OURS = "pkdoors"
"""What the namespaces of our own events begin with: each of them is one line."""


def cleanLog(publisher: LogPublisher) -> None:
    """
    Have all events cleaned before they are written, wherever that is: those of Twisted, too, and
    tracebacks. To be called before logging begins: observers are told in the order of their coming.
    """
    publisher.removeObserver(cleanEvent)  # one is enough
    publisher.addObserver(cleanEvent)


@provider(ILogObserver)
def cleanEvent(event: LogEvent) -> None:
    """
    Clean an event's text, if it needs that. Its other fields stay as they are: what writes those
    down, as JSON, escapes them.
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
        failure.getTraceback = lambda *arguments, **more: traceback


def _cleanTraceback(text: str) -> str:
    """
    A traceback as it may be read by others: without what an error quotes that nobody foresaw, as a
    key that is missing, which may be a port of a sequence.
    """
    lines = printable(text, "\n\t").split("\n")
    return "\n".join(line if _PLACE.match(line) else withoutPorts(line) for line in lines)
