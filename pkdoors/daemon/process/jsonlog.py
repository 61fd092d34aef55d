"""The log as JSON, one object a line, for programs that collect logs."""

from datetime import UTC, datetime
from typing import IO, Any

from twisted.logger import FileLogObserver, LogEvent, eventAsText

from pkdoors.events.event import LOGGED, formatISOTime
from pkdoors.util.oneline import formatJSONLine


def makeJsonObserver(file: "IO[Any]") -> FileLogObserver:
    """Return an observer that writes each event as a line of JSON."""
    return FileLogObserver(file, formatJson)


def formatJson(event: LogEvent) -> str | None:
    """
    Return an event as a line. The fields of pkdoors' own events are those of the audit file::

        {"time": "2026-11-23T08:00:00.000Z", "level": "info", "logger": "pkdoors.events.publisher",
         "text": "opened door ssh ...", "event": "opened", "door": "ssh", ...}
    """
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not text:
        return None
    now = event.get("log_time", datetime.now(UTC).timestamp())
    line = {
        "time": formatISOTime(now),
        "level": getattr(event.get("log_level"), "name", "info"),
        "logger": str(event.get("log_namespace", "")),
        "text": text,
        **{name: event[name] for name in LOGGED if name in event},
    }
    return f"{formatJSONLine(line)}\n"
