"""
What happens, as values: an L{Event} is the same for the log, the audit file, the hooks, the
counters and who follows C{GET /events}. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.durations import formatDuration

GUARDING, STOPPED = "guarding", "stopped"
OPENED, EXTENDED, TAKEN_OVER = "opened", "extended", "taken-over"
SHORTENED = "shortened"
CLOSED, UNOPENED = "closed", "unopened"
REFUSED = "refused"
GUESSING = "guessing"
OPEN_FAILED, CLOSE_FAILED = "open-failed", "close-failed"
HEALED, HEAL_FAILED = "healed", "heal-failed"
RELOADED, RELOAD_REFUSED = "reloaded", "reload-refused"

TIME_OVER = "its time is over"
"""The reason of a closing that needs none."""

_UNTIL = "door {door} for {source} until {until} ({length}){by}"
_HAVE = "what pkdoors has in {firewall}"
_SENTENCES: Mapping[str, str] = {
    GUARDING: "guarding door {door} with {firewall}: {reason}",
    STOPPED: "stopped; door {door} {reason}",
    OPENED: f"opened {_UNTIL}",
    EXTENDED: f"extended {_UNTIL}",
    TAKEN_OVER: f"took over {_UNTIL}",
    SHORTENED: f"shortened, as the new configuration has it: {_UNTIL}",
    CLOSED: "closed door {door} for {source}{why}",
    UNOPENED: "door {door} never opened for {source}{never}",
    REFUSED: "refused door {door} for {source}: {reason}{more}",
    GUESSING: "somebody may be guessing the order of the knock ports of door {door}: {reason}",
    OPEN_FAILED: "cannot open door {door} for {source}, and keeps trying: {reason}{more}",
    CLOSE_FAILED: "cannot close door {door} for {source}, and keeps trying: {reason}{more}",
    HEALED: f"{{cause}}{_HAVE} is there again{{more}}",
    HEAL_FAILED: f"{{cause}}cannot put back {_HAVE}, and keeps trying: {{reason}}",
    RELOADED: "reloaded: {reason}",
    RELOAD_REFUSED: "not reloaded, and nothing was changed: {reason}",
}
KINDS = tuple(_SENTENCES)
WARNINGS = frozenset({HEALED, GUESSING})
ERRORS = frozenset({OPEN_FAILED, CLOSE_FAILED, HEAL_FAILED, RELOAD_REFUSED})


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that happened.

    @ivar kind: one of L{KINDS}.
    @ivar time: the time of day, in seconds since 1970.
    @ivar door: which door it is about; L{None} where it is about all of them.
    @ivar source: the knocker's address; empty where there is none.
    @ivar seconds: from now on, of what was opened; of what was closed, that it was open for.
    @ivar who: who earned the opening; who had it closed is in the reason.
    @ivar reason: why, as half a sentence.
    @ivar cause: what made it necessary, of a healing; empty where that is not known.
    @ivar firewall: which firewall it is about; empty where it is about none.
    @ivar took: of an opening: seconds from the request until the firewall had done it.
    @ivar leftOut: how many events of this kind were left out before it, for there were too many.
    """

    kind: str
    time: float
    door: Door | None = None
    source: str = ""
    seconds: float = 0.0
    who: Principal = NOBODY
    reason: str = ""
    cause: str = ""
    firewall: str = ""
    took: float = 0.0
    leftOut: int = 0


def sentence(event: Event) -> str:
    """The event for people, in one line, whatever a key's comment or a firewall's answer holds."""
    shown = event.reason if event.reason != TIME_OVER else ""
    text = _SENTENCES[event.kind].format(
        door=event.door,
        source=event.source,
        until=datetime.fromtimestamp(round(event.time + event.seconds)),
        length=formatDuration(max(0, round(event.seconds))),
        by=f", by {event.who}" if str(event.who) else "",
        reason=event.reason,
        why=shown and f", {shown}",
        never=f", {shown}" if shown else f", and {TIME_OVER}",
        cause=event.cause and f"{event.cause}: ",
        firewall=event.firewall,
        more=f" ({event.leftOut} more lines like this left out)" if event.leftOut else "",
    )
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def fields(event: Event) -> dict[str, Any]:
    """
    The event for programs, to be written as JSON. All keys are always there.

    ::

        {"time": "2026-11-23T08:00:00.000Z", "event": "opened", "door": "ssh",
         "source": "192.0.2.7", "ports": ["22/tcp"], "seconds": 30.0,
         "user": "anna@laptop", "key": "SHA256:...", "reason": "", "text": "opened door ssh ..."}
    """
    return {
        "time": isoTime(event.time),
        "event": event.kind,
        "door": event.door.name if event.door else "",
        "source": event.source,
        "ports": [str(ports) for ports in event.door.ports] if event.door else [],
        "seconds": round(event.seconds, 3),
        "user": event.who.name,
        "key": event.who.key,
        "reason": event.reason or event.cause,
        "text": sentence(event),
    }


def isoTime(time: float) -> str:
    """A time of day in UTC, to the millisecond, C{2026-11-23T08:00:00.000Z}; ISO 8601."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
