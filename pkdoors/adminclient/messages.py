"""The lines that the operator's commands print. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from pkdoors.admin.records import ClosedRecord, ClosingRecord, DoorRecord, OpeningRecord
from pkdoors.util.durations import formatLength

MAX_LINES = 20
"""Openings that have a line each; of more, only the number is printed."""

_DAY = 24 * 3600.0

_REASONS = {
    "limit": "too many from one source",
    "junk": "not knocks",
    "overflow": "more than the buffer holds",
}

_LONGER = "it was open for longer already; to shorten that, close it, then open it again"

_FOLLOWING = "nobody comes in any more, and firewalld follows"

_TRYING = "the daemon keeps trying, and the kernel closes it at its deadline in any case"

_SHUT = "nobody comes in any more, the guard has closed it, and the daemon keeps trying"


def formatPorts(ports: Collection[str]) -> str:
    """Return C{22/tcp,53/udp}."""
    return ",".join(ports) or "no ports"


def describeDropped(dropped: Mapping[str, int]) -> str:
    """Return C{12 too many from one source, 4,512 not knocks}; counts of 0 are left out."""
    return ", ".join(
        f"{count:,} {_REASONS.get(reason, reason)}" for reason, count in dropped.items() if count
    )


def describeOpening(opening: OpeningRecord, asked: float = 0.0, client: str = "") -> str:
    """
    Return C{door ssh (22/tcp) is open for 192.0.2.7 until 08:10:00 (10m)}.

    @param asked: the seconds that were asked for; 0 for the door's own.
    @param client: the text to print for the source; empty for the source alone.
    """
    line = (
        f"door {opening.door} ({formatPorts(opening.ports)}) is open for "
        f"{client or opening.source} until {formatDeadline(opening)} "
        f"({formatLength(opening.secondsLeft)})"
        f"{', for one connection' if opening.uses == 'once' else ''}"
    )
    isLonger = asked > 0 and round(opening.secondsLeft) > round(asked)
    return f"{line}: {_LONGER}" if isLonger else line


def formatDeadline(opening: OpeningRecord) -> str:
    """Return the deadline on the operator's clock; with its date if it is a day away."""
    moment = datetime.fromtimestamp(round(opening.until.timestamp()))  # as the log rounds it
    return f"{moment:%H:%M:%S}" if opening.secondsLeft < _DAY else f"{moment:%Y-%m-%d %H:%M:%S}"


def describeClosed(answer: ClosedRecord) -> list[str]:
    """Return the lines for openings that every firewall has closed."""
    count = answer.count("closed")
    if count > MAX_LINES:
        return [f"closed {count} openings"]
    return [f"closed door {opening.door} for {opening.source}" for opening in answer.closed]


def describeFollowing(answer: ClosedRecord) -> list[str]:
    """Return the lines for openings that the guard has closed, and firewalld is about to."""
    count, done = answer.count("following"), [each for each in answer.closing if each.isDone]
    if count > min(MAX_LINES, len(done)):
        return [f"closed {count} openings: {_FOLLOWING}"]
    return [f"closed door {opening.door} for {opening.source}: {_FOLLOWING}" for opening in done]


def describeClosing(answer: ClosedRecord) -> list[str]:
    """Return the lines for openings that a firewall refuses to close."""
    count = answer.count("refused")
    if count > MAX_LINES:
        return [f"{count} openings are still closing: {_TRYING}"]
    return [_describeRefused(opening) for opening in answer.closing if not opening.isDone]


def _describeRefused(opening: ClosingRecord) -> str:
    trouble = f"{opening.trouble}: " if opening.trouble else ""
    trying = _SHUT if opening.isShut else _TRYING
    return f"door {opening.door} is still closing for {opening.source}: {trouble}{trying}"


def describeTrusted(doors: Iterable[DoorRecord]) -> list[str]:
    """Return a line for each door at which some clients need no knock."""
    return [
        f"door {door.name}: no knock needed from {', '.join(door.trusted)}"
        for door in doors
        if door.trusted
    ]


def describeTroubles(openings: Collection[OpeningRecord]) -> list[str]:
    """Return the lines for openings that a firewall refuses."""
    return [
        f"door {opening.door} is {'' if opening.isOpen else 'not '}open for {opening.source}: "
        f"{opening.trouble}"
        for opening in openings
        if opening.trouble
    ]
