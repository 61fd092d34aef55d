"""
Events: the log, the audit file, the hooks, the counters and the followers of C{GET /events} all
get the same L{Event}. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pkdoors.model.doors import Door
from pkdoors.model.principal import NOBODY, Principal
from pkdoors.util.durations import formatLength
from pkdoors.util.oneline import printable

GUARDING, STOPPED = "guarding", "stopped"
OPENED, EXTENDED, TAKEN_OVER = "opened", "extended", "taken-over"
SHORTENED = "shortened"
CLOSED, UNOPENED = "closed", "unopened"
USED = "used"
REFUSED = "refused"
UNFINISHED = "unfinished"
GUESSING = "guessing"
OPEN_FAILED, CLOSE_FAILED = "open-failed", "close-failed"
HEALED, HEAL_FAILED = "healed", "heal-failed"
RELOADED, RELOAD_REFUSED = "reloaded", "reload-refused"
ORDERED, ORDER_REFUSED = "ordered", "order-refused"

LOGGED = "event door source ports seconds user key asked_from via reason".split()
"""The L{fields} that an event of the log has, too."""

TIME_OVER = "its time is over"
"""The usual reason of a closing, which the log leaves out."""

_UNTIL = "door {door} for {source} until {until} ({length}){by}"
_RULES = "the rules of pkdoors in {firewall}"
_SENTENCES: Mapping[str, str] = {
    GUARDING: "guarding door {door} with {firewall}: {reason}",
    STOPPED: "stopped; door {door} {reason}",
    OPENED: f"opened {_UNTIL}",
    EXTENDED: f"extended {_UNTIL}",
    TAKEN_OVER: f"took over {_UNTIL}",
    SHORTENED: f"shortened {{reason}}: {_UNTIL}",
    CLOSED: "closed door {door} for {source}{why}",
    USED: "door {door} for {source} is used up: its one connection has begun",
    UNOPENED: "door {door} never opened for {source}: {reason}",
    REFUSED: "refused door {door} for {source}: {reason}{more}",
    UNFINISHED: "door {door} stays closed for {source}: {reason}{more}",
    GUESSING: "somebody may be guessing the order of the knock ports of door {door}: {reason}",
    OPEN_FAILED: "cannot open door {door} for {source}, retrying: {reason}{more}",
    CLOSE_FAILED: "cannot close door {door} for {source}, retrying: {reason}{more}",
    HEALED: f"{{cause}}restored {_RULES}{{more}}",
    HEAL_FAILED: f"{{cause}}cannot restore {_RULES}, retrying: {{reason}}",
    RELOADED: "reloaded: {reason}",
    RELOAD_REFUSED: "not reloaded, and nothing was changed: {reason}",
    ORDERED: "order to the fleet{by}: {reason}",
    ORDER_REFUSED: "refused an order to the fleet{by}: {reason}{more}",
}
KINDS = tuple(_SENTENCES)
WARNINGS = frozenset({HEALED, GUESSING, ORDER_REFUSED})
ERRORS = frozenset({OPEN_FAILED, CLOSE_FAILED, HEAL_FAILED, RELOAD_REFUSED})


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event.

    @ivar kind: one of L{KINDS}.
    @ivar time: the time of day, in seconds since 1970.
    @ivar door: the door concerned; L{None} if the event concerns all doors.
    @ivar source: the knocker's address; empty if there is no knocker.
    @ivar seconds: how long the door stays open from now on; if it was closed, how long it was open.
    @ivar who: who earned the opening. If somebody closed it, the reason names them.
    @ivar via: the host of a fleet that heard the knock, if this host did not.
    @ivar reason: why, as half a sentence.
    @ivar cause: what made a healing necessary; empty if unknown.
    @ivar firewall: the firewall concerned; empty if the event concerns none.
    @ivar took: for an opening, the seconds from the request until the firewall had opened it.
    @ivar leftOut: how many events of this kind were left out before this one, as there were too
        many.
    """

    kind: str
    time: float
    door: Door | None = None
    source: str = ""
    seconds: float = 0.0
    who: Principal = NOBODY
    via: str = ""
    reason: str = ""
    cause: str = ""
    firewall: str = ""
    took: float = 0.0
    leftOut: int = 0


def sentence(event: Event) -> str:
    """
    Return an event as one line for people, whatever a key's comment or a firewall's answer holds.
    """
    isUsual = event.reason in ("", TIME_OVER)
    text = _SENTENCES[event.kind].format(
        door=event.door,
        source=event.source,
        until=datetime.fromtimestamp(round(event.time + event.seconds)),
        length=formatLength(event.seconds),
        by=_describeOrigin(event),
        reason=event.reason,
        why="" if isUsual else f", {event.reason}",
        cause=event.cause and f"{event.cause}: ",
        firewall=event.firewall,
        more=_countLeftOut(event.leftOut),
    )
    return printable(text)


def _describeOrigin(event: Event) -> str:
    by = f", by {event.who}" if str(event.who) else ""
    return f"{by}, via {event.via}" if event.via else by


def _countLeftOut(count: int) -> str:
    lines = "1 more line" if count == 1 else f"{count} more lines"
    return f" ({lines} like this left out)" if count else ""


def fields(event: Event) -> dict[str, Any]:
    """
    Return an event for programs, ready to become JSON. All keys are always present.

    ::

        {"time": "2026-11-23T08:00:00.000Z", "event": "opened", "door": "ssh",
         "source": "192.0.2.7", "ports": ["22/tcp"], "seconds": 30.0,
         "user": "anna@laptop", "key": "SHA256:...", "asked_from": "", "via": "", "reason": "",
         "text": "opened door ssh ..."}
    """
    return {
        "time": formatISOTime(event.time),
        "event": event.kind,
        "door": event.door.name if event.door else "",
        "source": event.source,
        "ports": [str(ports) for ports in event.door.ports] if event.door else [],
        "seconds": round(event.seconds, 3),
        "user": event.who.name,
        "key": event.who.key,
        "asked_from": event.who.address,
        "via": event.via,
        "reason": event.reason or event.cause,
        "text": sentence(event),
    }


def formatISOTime(time: float) -> str:
    """Return a time of day in UTC, to the millisecond: C{2026-11-23T08:00:00.000Z}; ISO 8601."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
